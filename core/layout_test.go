package core

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// listed is what `go list` says of a package.
type listed struct {
	ImportPath string
	GoFiles    []string
	CgoFiles   []string
	Imports    []string
}

// packages lists those of this module, by path without the module's name.
func packages(t *testing.T) map[string]listed {
	t.Helper()
	command := exec.Command("go", "list", "-json=ImportPath,GoFiles,CgoFiles,Imports", "dpattn/...")
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]listed{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(p.ImportPath, "dpattn/")] = p
	}
	return all
}

// fileImports lists what a file of core imports of this module.
func fileImports(t *testing.T, file string) (own []string) {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, file).Output()
	if err != nil {
		t.Fatalf("go list %s: %v", file, err)
	}
	for _, path := range strings.Fields(string(out)) {
		if path, ok := strings.CutPrefix(path, "dpattn/"); ok {
			own = append(own, path)
		}
	}
	return own
}

// secret are the packages that hold private numbers, beside the mechanisms themselves.
var secret = []string{"core/internal/owners"}

// Imports point one way: capi -> core -> mechanisms -> what they are built of -> simd. No file of
// core names a mechanism but the registry; mechanisms know neither core nor each other; what
// answers queries cannot reach what keeps rows.
func TestImportsPointOneWay(t *testing.T) {
	all := packages(t)
	imports := func(name string) (own []string) {
		for _, path := range all[name].Imports {
			if path, ok := strings.CutPrefix(path, "dpattn/"); ok {
				own = append(own, path)
			}
		}
		return own
	}
	// Mechanisms are what the registry imports, beside what every file of core may.
	var mechanisms []string
	for _, path := range fileImports(t, "registry.go") {
		if !slices.Contains([]string{"core/fault", "core/mechanism", "simd"}, path) {
			mechanisms = append(mechanisms, path)
		}
	}
	for _, name := range append(slices.Clone(mechanisms), "core", "capi", "simd", "core/mechanism") {
		if _, there := all[name]; !there {
			t.Fatalf("there is no package %s: this test sees nothing", name)
		}
	}
	if got := imports("simd"); len(got) != 0 {
		t.Errorf("simd imports %v; it must import nothing of dpattn", got)
	}
	for name := range all {
		for _, to := range imports(name) {
			switch {
			case strings.HasPrefix(name, "core") && (to == "capi" || strings.HasPrefix(to, "tests")),
				name != "core" && strings.HasPrefix(name, "core") && to == "core":
				t.Errorf("%s imports %s, which is above it", name, to)
			case slices.Contains(mechanisms, to) && strings.HasPrefix(name, "core") && name != "core":
				t.Errorf("%s imports the mechanism %s; only core's registry may", name, to)
			case slices.Contains(secret, to) && !slices.Contains(mechanisms, name):
				t.Errorf("%s imports %s, which holds private rows; only mechanisms may", name, to)
			}
		}
	}
	for _, file := range all["core"].GoFiles {
		if file == "registry.go" {
			continue
		}
		imported := fileImports(t, file)
		for _, m := range mechanisms {
			if slices.Contains(imported, m) {
				t.Errorf("core/%s imports the mechanism %s; only the registry may", file, m)
			}
		}
	}
	if len(kinds) != len(mechanisms) {
		t.Errorf("%d mechanisms are registered, %d folders are known", len(kinds), len(mechanisms))
	}
}
