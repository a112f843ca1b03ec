// Writes the cases of this package's own tests, with what the package makes of them now. It is laid
// over the installed Go's text/template/parse as one more test file.
package parse

import (
	"encoding/json"
	"os"
	"testing"
)

type fidelityCase struct {
	Group    string  `json:"group"`
	Name     string  `json:"name"`
	Template string  `json:"template"`
	Out      *string `json:"out,omitempty"`
	Err      *string `json:"err,omitempty"`
}

func TestFidelityCases(t *testing.T) {
	// The tests lower this limit for themselves.
	depth := maxStackDepth
	maxStackDepth = 10000
	defer func() { maxStackDepth = depth }()
	var all []fidelityCase
	run := func(group, name, template string) {
		tested := fidelityCase{Group: group, Name: name, Template: template}
		known := map[string]any{"printf": 1, "contains": 1, "len": 1, "index": 1, "print": 1, "html": 1, "eq": 1, "not": 1, "and": 1, "or": 1, "call": 1}
		tree, err := New(name).Parse(template, "", "", map[string]*Tree{}, known)
		if err != nil {
			text := err.Error()
			tested.Err = &text
		} else {
			text := tree.Root.String()
			tested.Out = &text
		}
		all = append(all, tested)
	}
	for _, test := range parseTests {
		run("parse", test.name, test.input)
	}
	for _, test := range errorTests {
		run("parse errors", test.name, test.input)
	}
	for _, test := range numberTests {
		run("numbers", test.text, "{{"+test.text+"}}")
	}
	for _, test := range lexTests {
		run("lexer", test.name, test.input)
	}
	for _, test := range isEmptyTests {
		run("empty", test.name, test.input)
	}
	content, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(os.Getenv("FIDELITY_OUT")+"/parse.json", content, 0o644); err != nil {
		t.Fatal(err)
	}
}
