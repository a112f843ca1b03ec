// The oracle: renders templates with the engine of the Helm that it was built with. It reads one
// request a line (JSON) and answers one line each, in order; texts travel in base64, since they
// need not be UTF-8.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
)

// request is one chart with templates and the value of `.Values`.
type request struct {
	Templates map[string]string `json:"templates"`
	Values    json.RawMessage   `json:"values"`
	Strict    bool              `json:"strict"`
	Lint      bool              `json:"lint"`
}

// answer holds the text of `templates/x.yaml`, or the error.
type answer struct {
	Out *string `json:"out,omitempty"`
	Err *string `json:"err,omitempty"`
}

// typed is a value with its Go type.
type typed struct {
	Type  string          `json:"t"`
	Value json.RawMessage `json:"v"`
}

func text(raw json.RawMessage) string {
	var encoded string
	if err := json.Unmarshal(raw, &encoded); err != nil {
		panic(err)
	}
	return encoded
}

func decoded(encoded string) string {
	content, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		panic(err)
	}
	return string(content)
}

func number[T any](parsed T, err error) T {
	if err != nil {
		panic(err)
	}
	return parsed
}

func items(raw json.RawMessage) []any {
	var parts []json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		panic(err)
	}
	values := []any{}
	for _, part := range parts {
		values = append(values, value(part))
	}
	return values
}

func entries(raw json.RawMessage) map[string]any {
	var parts [][2]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		panic(err)
	}
	values := map[string]any{}
	for _, part := range parts {
		values[decoded(text(part[0]))] = value(part[1])
	}
	return values
}

func value(raw json.RawMessage) any {
	var parsed typed
	if err := json.Unmarshal(raw, &parsed); err != nil {
		panic(err)
	}
	switch parsed.Type {
	case "nil":
		return nil
	case "bool":
		return text(parsed.Value) == "true"
	case "int":
		return int(number(strconv.ParseInt(text(parsed.Value), 10, 64)))
	case "int64":
		return number(strconv.ParseInt(text(parsed.Value), 10, 64))
	case "uint64":
		return number(strconv.ParseUint(text(parsed.Value), 10, 64))
	case "float":
		return math.Float64frombits(number(strconv.ParseUint(text(parsed.Value), 10, 64)))
	case "string":
		return decoded(text(parsed.Value))
	case "bytes":
		return []byte(decoded(text(parsed.Value)))
	case "list":
		return items(parsed.Value)
	case "strings":
		values := []string{}
		for _, item := range items(parsed.Value) {
			values = append(values, item.(string))
		}
		return values
	case "map":
		return entries(parsed.Value)
	case "stringmap":
		values := map[string]string{}
		for key, item := range entries(parsed.Value) {
			values[key] = item.(string)
		}
		return values
	}
	panic("no type " + parsed.Type)
}

func answered(line []byte) (reply answer) {
	encoded := func(text string) *string {
		text = base64.StdEncoding.EncodeToString([]byte(text))
		return &text
	}
	defer func() {
		if failure := recover(); failure != nil {
			reply = answer{Err: encoded(fmt.Sprintf("PANIC %v", failure))}
		}
	}()
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		panic(err)
	}
	templates := map[string]string{}
	for name, content := range asked.Templates {
		templates[name] = decoded(content)
	}
	var values any
	if asked.Values != nil {
		values = value(asked.Values)
	}
	out, err := render(templates, values, asked.Strict, asked.Lint)
	if err != nil {
		return answer{Err: encoded(err.Error())}
	}
	return answer{Out: encoded(out)}
}

func main() {
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	output := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer output.Flush()
	for {
		line, err := input.ReadBytes('\n')
		if len(line) == 0 || err != nil {
			return
		}
		reply, err := json.Marshal(answered(line))
		if err != nil {
			panic(err)
		}
		output.Write(reply)
		output.WriteByte('\n')
	}
}
