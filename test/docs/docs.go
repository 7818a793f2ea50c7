// Package docs reads the project's documentation, so that tests can check it:
// its links, its blocks of configuration, what a search finds, and its prose.
package docs

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Page is one file of Markdown.
type Page struct {
	Path     string // from the top of the sources
	Lines    []Line
	Anchors  map[string]bool // of its headings, as GitHub makes them
	Headings []string
	blocks   []Block
	lower    string // all text in lower case
}

// Line is a line of a page and what it is part of.
type Line struct {
	Number int
	Text   string
	Block  string // language of the fenced block around it, or "" in prose
}

// Block is a fenced block of a page.
type Block struct {
	Path     string
	Section  string // the heading above it, below the page's title; "" if there is none
	Line     int    // of its first line
	Language string
	Text     string
}

// Read reads all pages for users: those in the top directory and below docs.
func Read(top string) ([]Page, error) {
	var pages []Page
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		files, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			page, err := read(top, file)
			if err != nil {
				return nil, err
			}
			pages = append(pages, page)
		}
	}
	return pages, nil
}

var fence = regexp.MustCompile("^ *(?:```+|~~~+) *([^ ]*)")

func read(top, file string) (Page, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Page{}, err
	}
	path, err := filepath.Rel(top, file)
	if err != nil {
		return Page{}, err
	}
	page := Page{Path: path, Anchors: map[string]bool{}, lower: strings.ToLower(string(text))}
	section, language := "", ""
	for i, line := range strings.Split(string(text), "\n") {
		mark := fence.FindStringSubmatch(line)
		switch {
		case mark != nil && language == "":
			language = cmp.Or(mark[1], "unnamed")
			page.blocks = append(page.blocks, Block{Path: path, Section: section, Line: i + 2, Language: language})
			continue
		case mark != nil:
			language = ""
			continue
		case language != "":
			page.blocks[len(page.blocks)-1].Text += line + "\n"
		case strings.HasPrefix(line, "#"):
			heading := strings.TrimSpace(strings.TrimLeft(line, "#"))
			page.heading(heading)
			if strings.HasPrefix(line, "##") {
				section = heading
			}
		}
		page.Lines = append(page.Lines, Line{i + 1, line, language})
	}
	if language != "" {
		return Page{}, fmt.Errorf("%s: the last block has no end", path)
	}
	return page, nil
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)

// heading adds a heading and its anchor: lower case, without punctuation, with
// hyphens for spaces, and with a number if the page has it already.
func (p *Page) heading(text string) {
	p.Headings = append(p.Headings, text)
	anchor := anchorOf(text)
	unique := anchor
	for n := 1; p.Anchors[unique]; n++ {
		unique = fmt.Sprintf("%s-%d", anchor, n)
	}
	p.Anchors[unique] = true
}

// section returns the text below the heading with an anchor, to the next heading of
// its level or above, with its blocks; without an anchor, it is that of the page.
func (p Page) section(anchor string) string {
	var b strings.Builder
	inside, level := anchor == "", 0
	for _, line := range p.Lines {
		if marks := len(line.Text) - len(strings.TrimLeft(line.Text, "#")); marks > 0 && line.Block == "" && anchor != "" {
			switch heading := strings.TrimSpace(line.Text[marks:]); {
			case anchorOf(heading) == anchor:
				inside, level = true, marks
			case marks <= level:
				inside = false
			}
		}
		if inside {
			b.WriteString(line.Text + "\n")
		}
	}
	return b.String()
}

// Blocks returns the page's blocks in any of these languages.
func (p Page) Blocks(languages ...string) []Block {
	var found []Block
	for _, block := range p.blocks {
		if slices.Contains(languages, block.Language) {
			found = append(found, block)
		}
	}
	return found
}

// anchorOf makes the anchor of a heading.
func anchorOf(heading string) string {
	return strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// Link is a link of a page's prose.
type Link struct {
	Line   int
	Target string
}

var (
	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code = regexp.MustCompile("`[^`]*`")
)

// Links returns the links in the page's prose.
func (p Page) Links() []Link {
	var links []Link
	for _, line := range p.Lines {
		if line.Block != "" {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(line.Text, -1) {
			links = append(links, Link{line.Number, m[1]})
		}
	}
	return links
}

// Prose returns the page's lines outside of blocks, without code and targets of
// links. Lines that are indented like code are left out.
func (p Page) Prose() []Line {
	var prose []Line
	for _, line := range p.Lines {
		if line.Block != "" || strings.HasPrefix(line.Text, "    ") {
			continue
		}
		line.Text = link.ReplaceAllString(code.ReplaceAllString(line.Text, "CODE"), "]")
		prose = append(prose, line)
	}
	return prose
}
