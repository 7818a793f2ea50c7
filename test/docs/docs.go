// Package docs reads the project's documentation, so that tests can check it:
// its links, its blocks of configuration, what a search finds, and its prose.
package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Page is one file of Markdown.
type Page struct {
	Path     string // from the top of the sources
	Lines    []Line
	Anchors  map[string]bool // of its headings, as GitHub makes them
	Headings []string
	starts   []int // lines of the headings
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
	Line     int // of its first line
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
	page := Page{Path: path, Anchors: map[string]bool{}}
	block := ""
	for i, line := range strings.Split(string(text), "\n") {
		mark := fence.FindStringSubmatch(line)
		switch {
		case mark != nil && block == "":
			block = mark[1]
			if block == "" {
				block = "unnamed"
			}
			continue
		case mark != nil:
			block = ""
			continue
		}
		if block == "" && strings.HasPrefix(line, "#") {
			page.heading(i+1, strings.TrimSpace(strings.TrimLeft(line, "#")))
		}
		page.Lines = append(page.Lines, Line{i + 1, line, block})
	}
	if block != "" {
		return Page{}, fmt.Errorf("%s: the last block has no end", path)
	}
	return page, nil
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)

// heading adds a heading and its anchor: lower case, without punctuation, with
// hyphens for spaces, and with a number if the page has it already.
func (p *Page) heading(line int, text string) {
	p.Headings, p.starts = append(p.Headings, text), append(p.starts, line)
	anchor := strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(text), ""), " ", "-")
	unique := anchor
	for n := 1; p.Anchors[unique]; n++ {
		unique = fmt.Sprintf("%s-%d", anchor, n)
	}
	p.Anchors[unique] = true
}

// HeadingAt returns the heading above a line.
func (p Page) HeadingAt(line int) string {
	heading := ""
	for i, start := range p.starts {
		if start < line {
			heading = p.Headings[i]
		}
	}
	return heading
}

// Blocks returns the page's blocks in a language.
func (p Page) Blocks(language string) []Block {
	var blocks []Block
	last := -1
	for i, line := range p.Lines {
		if line.Block != language {
			continue
		}
		if last != i-1 || last == -1 || p.Lines[last].Number != line.Number-1 {
			blocks = append(blocks, Block{Path: p.Path, Line: line.Number, Language: language})
		}
		blocks[len(blocks)-1].Text += line.Text + "\n"
		last = i
	}
	return blocks
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
