package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// switches is the rest of a source file: what planted defects call.
//
//go:embed switch.txt
var switches string

// A pkg is what the go command says of a package.
type pkg struct {
	ImportPath, Name, Dir, Export string
	GoFiles                       []string
	TestGoFiles, XTestGoFiles     []string
	DepOnly                       bool

	exports map[string]string // files with the types of what is imported
}

// list returns the packages that match the patterns.
func list(ctx context.Context, patterns []string) ([]pkg, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-export", "-json=ImportPath,Name,Dir,Export,GoFiles,TestGoFiles,XTestGoFiles,DepOnly", "--"}, patterns...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []pkg
	exports := map[string]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := pkg{exports: exports}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			packages = append(packages, p)
		}
	}
}

// tested reports whether a package has tests of its own.
func (p pkg) tested() bool { return len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 }

// mutate returns all defects of a package that compile, and the files that have
// them, by the path of the source.
func (p pkg) mutate() ([]mutant, map[string]string, error) {
	invalid := map[int]bool{}
	for {
		files, mutants, err := p.plant(invalid)
		if err != nil {
			return nil, nil, err
		}
		if !p.drop(files, mutants, invalid) {
			return mutants, files, nil
		}
	}
}

// plant returns the sources with defects, by path.
func (p pkg) plant(invalid map[int]bool) (map[string]string, []mutant, error) {
	fset := token.NewFileSet()
	sources := map[string][]byte{}
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		path := filepath.Join(p.Dir, name)
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		file, err := parser.ParseFile(fset, path, source, parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, err
		}
		sources[path] = source
		parsed = append(parsed, file)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	checked, err := p.config(fset).Check(p.ImportPath, fset, parsed, info)
	if err != nil {
		return nil, nil, err
	}
	next := 1
	var mutants []mutant
	files := map[string]string{filepath.Join(p.Dir, "mutants_switch.go"): "package " + p.Name + "\n" + switches}
	for _, file := range parsed {
		path := fset.Position(file.Pos()).Filename
		planter := planter{fset: fset, file: file, info: info, pkg: checked, source: sources[path], next: &next,
			skip: func(id int) bool { return invalid[id] }}
		files[path] = planter.plant()
		mutants = append(mutants, planter.mutants...)
	}
	return files, mutants, nil
}

func (p pkg) config(fset *token.FileSet) *types.Config {
	return &types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(p.exports[path])
	})}
}

// drop marks the defects on lines that do not compile, and reports whether there
// were any. A changed constant, for instance, cannot be an array's length.
func (p pkg) drop(files map[string]string, mutants []mutant, invalid map[int]bool) bool {
	fset := token.NewFileSet()
	var parsed []*ast.File
	bad := map[string]map[int]bool{}
	note := func(at token.Position) {
		if bad[at.Filename] == nil {
			bad[at.Filename] = map[int]bool{}
		}
		bad[at.Filename][at.Line] = true
	}
	for path, source := range files {
		file, err := parser.ParseFile(fset, path, source, parser.SkipObjectResolution)
		if err != nil {
			fmt.Fprintln(os.Stderr, "mutants:", err) // a fault of plant
			continue
		}
		parsed = append(parsed, file)
	}
	config := p.config(fset)
	config.Error = func(err error) {
		if e := (types.Error{}); errors.As(err, &e) {
			note(fset.Position(e.Pos))
		}
	}
	_, _ = config.Check(p.ImportPath, fset, parsed, nil)
	before := len(invalid)
	for _, m := range mutants {
		if bad[m.at.Filename][m.at.Line] {
			invalid[m.id] = true
		}
	}
	return len(invalid) > before
}

// writeOverlay writes files, by the path of the source that each replaces, and
// returns the path of what tells the go command so.
func writeOverlay(files map[string]string, dir string) (string, error) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, source := range files {
		replaced := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(replaced, []byte(source), 0o644); err != nil {
			return "", err
		}
		overlay.Replace[path] = replaced
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o644)
}

// compile builds the tests, with the sources of the overlay.
func (t *suite) compile(ctx context.Context, overlay string) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", t.binary, t.pkg.ImportPath)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}
