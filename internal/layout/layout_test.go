// Package layout holds the house plan: which package may know which, and what
// every file owes its reader. It has tests only.
package layout_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pkg is what go list says of a package.
type pkg struct {
	ImportPath   string
	Dir          string
	Doc          string
	Imports      []string
	Deps         []string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
}

func mustList(tb testing.TB) map[string]pkg {
	tb.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports,Deps,GoFiles,TestGoFiles,XTestGoFiles", "remora/...").Output()
	if err != nil {
		tb.Fatalf("go list: %v", err)
	}
	packages := map[string]pkg{}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := decoder.Decode(&p); err == io.EOF {
			return packages
		} else if err != nil {
			tb.Fatal(err)
		}
		packages[strings.TrimPrefix(p.ImportPath, "remora/")] = p
	}
}

func TestWhoMayKnowWhom(t *testing.T) {
	packages := mustList(t)
	ours := func(name string) []string {
		var names []string
		for _, i := range packages[name].Imports {
			if rest, ok := strings.CutPrefix(i, "remora/"); ok {
				names = append(names, rest)
			}
		}
		return names
	}
	// A package that is not named here may import what it likes; programs do.
	allowed := map[string][]string{
		"internal/nearest":    {},
		"internal/address":    {},
		"internal/proc":       {},
		"internal/generation": {},
		"internal/dirwatch":   {},
		"internal/await":      {},
		"internal/trouble":    {},
		"internal/consultest": {},
		"internal/drive":      {"internal/await"},
		"internal/catalog":    {"internal/trouble"},
		"internal/service":    {"internal/nearest"},
		"internal/cmdline":    {"internal/nearest"},
		"internal/explain":    {"internal/service"},
		"internal/settings":   {"internal/address", "internal/cmdline"},
		"internal/consul":     {"internal/address", "internal/service"},
		"internal/declared": {"internal/address", "internal/cmdline", "internal/consul", "internal/explain",
			"internal/service", "internal/settings"},
		"internal/registrar": {"internal/consul", "internal/service", "internal/trouble"},
		"internal/render":    {"internal/catalog", "internal/dirwatch", "internal/generation", "internal/trouble"},
	}
	for name, may := range allowed {
		if _, exists := packages[name]; !exists {
			t.Errorf("%s: is in the plan but not in the tree", name)
		}
		for _, i := range ours(name) {
			if !slices.Contains(may, i) {
				t.Errorf("%s imports %s; it may import %v", name, i, may)
			}
		}
	}
	for name := range packages {
		if strings.HasPrefix(name, "internal/") && name != "internal/layout" && allowed[name] == nil {
			t.Errorf("%s: is in the tree but not in the plan", name)
		}
	}
}

// TestWhatAProgramLinks keeps what few need out of everybody's image.
func TestWhatAProgramLinks(t *testing.T) {
	packages := mustList(t)
	never := map[string][]string{
		"init": {"github.com/hashicorp/consul-template", "remora/internal/render", "remora/internal/catalog", "github.com/docker/docker"},
		"reloader": {"github.com/hashicorp/consul", "github.com/hashicorp/consul-template", "remora/internal/consul",
			"remora/internal/catalog", "remora/internal/render", "github.com/docker/docker"},
	}
	for program, refused := range never {
		for _, dep := range packages[program].Deps {
			for _, prefix := range refused {
				if dep == prefix || strings.HasPrefix(dep, prefix+"/") {
					t.Errorf("%s links %s", program, dep)
				}
			}
		}
	}
}

func TestEveryPackageAndExportedNameHasADoc(t *testing.T) {
	for name, p := range mustList(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s: has no package comment", name)
		}
		for _, file := range p.GoFiles {
			_, tree := mustParse(t, filepath.Join(p.Dir, file))
			for _, decl := range tree.Decls {
				for _, missing := range undocumented(decl) {
					t.Errorf("%s/%s: %s has no comment", name, file, missing)
				}
			}
		}
	}
}

func undocumented(decl ast.Decl) []string {
	var names []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && !conventional[d.Name.Name] && exportedReceiver(d) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				if s.Names[0].IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					names = append(names, s.Names[0].Name)
				}
			}
		}
	}
	return names
}

// conventional methods mean what the standard library's interfaces say.
var conventional = map[string]bool{"Error": true, "Unwrap": true, "String": true}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	expr := d.Recv.List[0].Type
	if star, ok := expr.(*ast.StarExpr); ok {
		expr = star.X
	}
	ident, ok := expr.(*ast.Ident)
	return ok && ident.IsExported()
}

// The house rules: functions up to 80 lines, files up to 500, os.Exit only where
// a program ends, and no log.Fatal.
func TestSizesAndExits(t *testing.T) {
	const longestFunction, longestFile = 80, 500
	mayExit := []string{"internal/cmdline", "integration/demo", "images/demo"}
	for name, p := range mustList(t) {
		for _, file := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			fset, tree := mustParse(t, filepath.Join(p.Dir, file))
			if n := fset.Position(tree.FileEnd).Line; n > longestFile {
				t.Errorf("%s/%s: %d lines; split it", name, file, n)
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					if lines := fset.Position(n.End()).Line - fset.Position(n.Pos()).Line; lines > longestFunction {
						t.Errorf("%s/%s: %s has %d lines", name, file, n.Name.Name, lines)
					}
				case *ast.SelectorExpr:
					x, ok := n.X.(*ast.Ident)
					if !ok || strings.HasSuffix(file, "_test.go") {
						return true
					}
					exit := x.Name == "os" && n.Sel.Name == "Exit" && !slices.Contains(mayExit, name)
					if exit || x.Name == "log" && strings.HasPrefix(n.Sel.Name, "Fatal") {
						t.Errorf("%s/%s: %s.%s", name, file, x.Name, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

func mustParse(tb testing.TB, path string) (*token.FileSet, *ast.File) {
	tb.Helper()
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
	if err != nil {
		tb.Fatal(err)
	}
	return fset, tree
}
