package output

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"

	"mdserver/internal/visible"
)

// YAML prints the YAML form of what JSON prints: the same fields, in
// the same order.
func YAML(w io.Writer, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	document, err := yamlNode(dec)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	if err := enc.Encode(document); err != nil {
		return err
	}
	_, err = w.Write(text.Bytes())
	return err
}

// yamlNode reads one JSON value.
func yamlNode(dec *json.Decoder) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		return yamlCollection(dec, t)
	case string:
		return yamlText(t), nil
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: t.String()}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatBool(t)}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: "null"}, nil
}

// yamlCollection reads the rest of a JSON object or array.
func yamlCollection(dec *json.Decoder, open json.Delim) (*yaml.Node, error) {
	collection := &yaml.Node{Kind: yaml.SequenceNode}
	if open == '{' {
		collection.Kind = yaml.MappingNode
	}
	for dec.More() {
		item, err := yamlNode(dec)
		if err != nil {
			return nil, err
		}
		collection.Content = append(collection.Content, item)
	}
	_, err := dec.Token() // the end
	return collection, err
}

// ofYAML11 is what YAML 1.1, which Python and Ansible read, takes for something else
// than a text: a truth value, or a number with the base 60, such as a MAC address.
var ofYAML11 = regexp.MustCompile(`^(?:(?i:y|n|yes|no|on|off)|=|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)$`)

// yamlText is a text. One with characters that are not visible, such as line
// breaks, is in double quotes, where the escapes of package visible, which all
// output passes, are YAML's own.
func yamlText(text string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if visible.String(text) != text || ofYAML11.MatchString(text) {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}
