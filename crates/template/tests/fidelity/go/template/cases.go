// Writes the cases of this package's own tests, with what the package makes of them now. It is laid
// over the installed Go's text/template as one more test file.
package template

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// carried is a value with its Go type; structs come with their fields and the results of methods.
type carried struct {
	Type   string `json:"t"`
	Value  any    `json:"v"`
	GoType string `json:"type,omitempty"`
	// Text is that of a String or Error method.
	Text    *string      `json:"text,omitempty"`
	Methods [][2]carried `json:"methods,omitempty"`
}

type fidelityCase struct {
	Group      string   `json:"group"`
	Name       string   `json:"name"`
	Template   string   `json:"template"`
	Others     []string `json:"others,omitempty"`
	MissingKey string   `json:"missing_key,omitempty"`
	// Data is the number of the value in the list of those.
	Data  int     `json:"data"`
	Unfit string  `json:"unfit,omitempty"`
	Out   *string `json:"out,omitempty"`
	Err   *string `json:"err,omitempty"`
}

func encodedText(text string) carried {
	return carried{Type: "string", Value: base64.StdEncoding.EncodeToString([]byte(text))}
}

func carry(value reflect.Value, depth int) (carried, error) {
	if !value.IsValid() {
		return carried{Type: "nil"}, nil
	}
	kind := value.Kind()
	named := value.Type().PkgPath() != "" && kind != reflect.Struct
	switch {
	case depth > 4:
		return carried{}, errors.New("data within themselves")
	case kind == reflect.Interface:
		if value.IsNil() {
			return carried{Type: "nil"}, nil
		}
		return carry(value.Elem(), depth)
	case kind == reflect.Pointer && value.IsNil():
		return carried{}, errors.New("a nil pointer of a Go type")
	case kind == reflect.Pointer && value.Elem().Kind() != reflect.Struct:
		return carried{}, errors.New("a pointer to a plain Go value")
	case named:
		return carried{}, errors.New("a named Go type: " + value.Type().String())
	}
	switch kind {
	case reflect.Bool:
		return carried{Type: "bool", Value: strconv.FormatBool(value.Bool())}, nil
	case reflect.Int:
		return carried{Type: "int", Value: strconv.FormatInt(value.Int(), 10)}, nil
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return carried{Type: "int64", Value: strconv.FormatInt(value.Int(), 10)}, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return carried{Type: "uint64", Value: strconv.FormatUint(value.Uint(), 10)}, nil
	case reflect.Float32, reflect.Float64:
		return carried{Type: "float", Value: strconv.FormatUint(math.Float64bits(value.Float()), 10)}, nil
	case reflect.String:
		return encodedText(value.String()), nil
	case reflect.Slice, reflect.Array:
		items := []carried{}
		for i := range value.Len() {
			item, err := carry(value.Index(i), depth+1)
			if err != nil {
				return carried{}, err
			}
			items = append(items, item)
		}
		return carried{Type: "list", Value: items, GoType: value.Type().String()}, nil
	case reflect.Map:
		if value.Type().Key().Kind() != reflect.String {
			return carried{}, errors.New("a map whose keys are no strings")
		}
		if value.IsNil() {
			return carried{}, errors.New("a nil map of a Go type")
		}
		entries := [][2]carried{}
		for _, key := range value.MapKeys() {
			item, err := carry(value.MapIndex(key), depth+1)
			if err != nil {
				return carried{}, err
			}
			entries = append(entries, [2]carried{encodedText(key.String()), item})
		}
		return carried{Type: "map", Value: entries, GoType: value.Type().String()}, nil
	case reflect.Struct, reflect.Pointer:
		return object(value, depth)
	}
	return carried{}, errors.New("a Go " + kind.String())
}

// object carries what can be carried of a struct; a field that cannot says why when it is used.
func object(value reflect.Value, depth int) (carried, error) {
	result := carried{Type: "object", GoType: value.Type().String()}
	fields := [][2]carried{}
	held := reflect.Indirect(value)
	for i := range held.NumField() {
		field := held.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		item, err := carry(held.Field(i), depth+1)
		if err != nil {
			item = carried{Type: "unfit", Value: err.Error()}
		}
		fields = append(fields, [2]carried{encodedText(field.Name), item})
	}
	result.Value = fields
	switch known := value.Interface().(type) {
	case error:
		text := known.Error()
		result.Text = &text
	case fmt.Stringer:
		text := known.String()
		result.Text = &text
	}
	for i := range value.NumMethod() {
		method := value.Method(i)
		item := carried{Type: "unfit", Value: "a Go method with arguments"}
		if method.Type().NumIn() == 0 && method.Type().NumOut() == 1 && depth < 2 {
			var err error
			item, err = carry(method.Call(nil)[0], depth+1)
			if err != nil {
				item = carried{Type: "unfit", Value: err.Error()}
			}
		}
		result.Methods = append(result.Methods, [2]carried{encodedText(value.Type().Method(i).Name), item})
	}
	return result, nil
}

// collected holds each value once; the tests use some hundreds of times.
type collected struct {
	Cases  []fidelityCase `json:"cases"`
	Values []carried      `json:"values"`
	known  map[any]int
}

func (all *collected) carry(data any) (int, error) {
	isPointer := reflect.ValueOf(data).Kind() == reflect.Pointer
	if !isPointer {
		value, err := carry(reflect.ValueOf(data), 0)
		all.Values = append(all.Values, value)
		return len(all.Values) - 1, err
	}
	if number, ok := all.known[data]; ok {
		return number, nil
	}
	value, err := carry(reflect.ValueOf(data), 0)
	all.Values = append(all.Values, value)
	if err == nil {
		all.known[data] = len(all.Values) - 1
	}
	return len(all.Values) - 1, err
}

// outcome parses and executes.
func (all *collected) outcome(tested *fidelityCase, data any) {
	funcs := FuncMap{
		"add": add, "count": count, "dddArg": dddArg, "die": func() bool { panic("die") }, "echo": echo, "makemap": makemap,
		"mapOfThree": mapOfThree, "oneArg": oneArg, "returnInt": returnInt, "stringer": stringer, "twoArgs": twoArgs,
		"typeOf": typeOf, "valueString": valueString, "vfunc": vfunc, "zeroArgs": zeroArgs,
	}
	number, err := all.carry(data)
	tested.Data = number
	if err != nil {
		tested.Unfit = err.Error()
	}
	root := New("root").Funcs(funcs)
	for _, other := range tested.Others {
		Must(root.Parse(other))
	}
	var out strings.Builder
	parsed, err := root.New(tested.Name).Parse(tested.Template)
	if err == nil {
		if tested.MissingKey != "" {
			parsed.Option("missingkey=" + tested.MissingKey)
		}
		err = parsed.Execute(&out, data)
	}
	if err != nil {
		text := err.Error()
		tested.Err = &text
		return
	}
	text := out.String()
	tested.Out = &text
}

func TestFidelityCases(t *testing.T) {
	all := &collected{known: map[any]int{}}
	run := func(tested fidelityCase, data any) {
		all.outcome(&tested, data)
		all.Cases = append(all.Cases, tested)
	}
	for _, test := range execTests {
		run(fidelityCase{Group: "exec", Name: test.name, Template: test.input}, test.data)
	}
	for _, test := range multiExecTests {
		run(fidelityCase{Group: "multi", Name: test.name, Template: test.input, Others: []string{multiText1, multiText2}}, test.data)
	}
	for _, test := range multiParseTests {
		run(fidelityCase{Group: "multi parse", Name: test.name, Template: test.input}, nil)
	}
	compared := map[string]any{
		"Uthree": uint(3), "Ufour": uint(4), "NegOne": -1, "Three": 3, "NilIface": nil,
		"NonNilMap": map[string]any{}, "Iface1": &V{1},
	}
	for _, test := range cmpTests {
		run(fidelityCase{Group: "comparison", Name: test.expr, Template: "{{if " + test.expr + "}}true{{else}}false{{end}}"}, compared)
	}
	for _, option := range []string{"default", "zero", "error"} {
		for _, template := range []string{"{{.x}} {{.y}}", "{{.y.z}}", "{{with .y}}w{{end}}", "{{$v := .y}}{{$v}}"} {
			run(fidelityCase{Group: "missing key", Name: option + " " + template, Template: template, MissingKey: option}, map[string]any{"x": 99})
			run(fidelityCase{Group: "missing key", Name: option + " nil " + template, Template: template, MissingKey: option}, nil)
		}
	}
	content, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(os.Getenv("FIDELITY_OUT")+"/template.json", content, 0o644); err != nil {
		t.Fatal(err)
	}
}
