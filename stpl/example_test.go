package stpl_test

import (
	"context"
	"fmt"

	"mdserver/stpl"
)

func Example() {
	engine := stpl.New(stpl.Options{Escape: stpl.EscapeNone})
	t, err := engine.Compile("motd", "Welcome to {{name}}.\n% for key in keys:\n- {{key}}\n% end\n")
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := t.Render(context.Background(), map[string]any{"name": "web1", "keys": []string{"ana", "bo"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(out.Text))
	// Output:
	// Welcome to web1.
	// - ana
	// - bo
}

// An error names the template, the line, and Python's kind and message.
func ExampleError() {
	engine := stpl.New(stpl.Options{})
	_, err := engine.Compile("motd", "Welcome.\n{{name +}}\n")
	fmt.Println(err)
	// Output:
	// motd:2: SyntaxError: invalid syntax: {{name +}}; what is between {{ and }} is code: write {{'{{'}} for two braces
}
