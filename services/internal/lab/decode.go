package lab

import (
	"encoding"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"correio/services/internal/text"
)

// maxYAML bounds one YAML file, in octets.
const maxYAML = 1 << 20

// document is a YAML file as it was written: the place of every value.
type document struct {
	file string
	root *yaml.Node // nil when it could not be read
}

// line returns the line of the value at a path of keys (string) and positions
// (int), or of as much of the path as there is.
func (d *document) line(path ...any) int {
	n := d.root
	if n == nil {
		return 0
	}
	for _, step := range path {
		next := child(n, step)
		if next == nil {
			break
		}
		n = next
	}
	return n.Line
}

// given tells that there is a value at a path, be it one that was refused.
func (d *document) given(path ...any) bool {
	n := d.at(path...)
	return n != nil && !(n.Kind == yaml.ScalarNode && n.Value == "" && !isNull(n))
}

// zero tells that the number or the time at a path was written as 0, which the
// model cannot tell from one that was left out.
func (d *document) zero(path ...any) bool {
	n := d.at(path...)
	if n == nil || n.Kind != yaml.ScalarNode {
		return false
	}
	number, notNumber := strconv.ParseInt(n.Value, 10, 64)
	span, notTime := time.ParseDuration(n.Value)
	return notNumber == nil && number == 0 || notTime == nil && span == 0
}

// at returns the value at a path, nil when there is none.
func (d *document) at(path ...any) *yaml.Node {
	n := d.root
	for _, step := range path {
		if n == nil {
			return nil
		}
		n = child(n, step)
	}
	return n
}

func child(n *yaml.Node, step any) *yaml.Node {
	switch step := step.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && step < len(n.Content) {
			return n.Content[step]
		}
	case string:
		if n.Kind != yaml.MappingNode {
			return nil
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	}
	return nil
}

var (
	textNoFile    = text.New("there is no such file", "o arquivo não existe")
	textUnread    = text.New("cannot be read: %v", "não pode ser lido: %v")
	textTooLarge  = text.New("larger than %d octets", "maior que %d octetos")
	textYAML      = text.New("not YAML: %s", "não é YAML: %s")
	textEmpty     = text.New("the file is empty", "o arquivo está vazio")
	textKey       = text.New("unknown key %q; known here: %s", "chave desconhecida %q; as daqui são: %s")
	textTwice     = text.New("%q is given twice; first on line %d", "%q aparece duas vezes; a primeira na linha %d")
	textAlias     = text.New("anchors and aliases are not read here", "âncoras e aliases não são lidos aqui")
	textWant      = text.New("%s must be %s, not %s", "%s deve ser %s, não %s")
	textMapping   = text.New("a mapping (key: value)", "um mapeamento (chave: valor)")
	textList      = text.New("a list", "uma lista")
	textWord      = text.New("a single value", "um valor só")
	textNumber    = text.New("a whole number", "um número inteiro")
	textBool      = text.New("true or false", "true ou false")
	textAddr      = text.New("an IP address", "um endereço IP")
	textPrefix    = text.New("a network such as 198.18.0.0/16", "uma rede como 198.18.0.0/16")
	textTime      = text.New("a time such as 90s or 5m", "um tempo como 90s ou 5m")
	textGrey      = text.New("true, false, or a time such as 90s or 5m", "true, false ou um tempo como 90s ou 5m")
	textTargets   = text.New("a name, an address, or a list of them", "um nome, um endereço ou uma lista deles")
	textKeyName   = text.New("a key", "uma chave")
	textNoValue   = text.New("nothing", "nada")
	textThis      = text.New("the file", "o arquivo")
	textElement   = text.New("each entry", "cada item")
	textQuotation = text.New("%q", "%q")
)

// decode reads a YAML file into out, a pointer to a struct of this package, and
// reports what does not fit. What fits is filled in all the same, so that the
// checks that follow find their part in the same run.
func (r *report) decode(file string, out any) *document {
	doc := &document{file: file}
	data, ok := r.read(file)
	if !ok {
		return doc
	}
	var node yaml.Node
	if err := yaml.Load(data, &node); err != nil {
		r.syntax(file, data, err)
		return doc
	}
	if node.Kind != yaml.DocumentNode || len(node.Content) == 0 {
		r.add(file, 0, textEmpty)
		return doc
	}
	doc.root = node.Content[0]
	d := decoder{report: r, file: file}
	d.value(doc.root, reflect.ValueOf(out).Elem(), textThis)
	return doc
}

func (r *report) read(file string) ([]byte, bool) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		r.add(file, 0, textNoFile)
		return nil, false
	}
	if err == nil {
		defer f.Close()
		var data []byte
		if data, err = io.ReadAll(io.LimitReader(f, maxYAML+1)); err == nil && len(data) > maxYAML {
			r.add(file, 0, textTooLarge, maxYAML)
			return nil, false
		}
		if err == nil {
			return data, true
		}
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	r.add(file, 0, textUnread, err)
	return nil, false
}

func (r *report) syntax(file string, data []byte, err error) {
	var one *yaml.LoadError
	switch {
	case strings.TrimSpace(string(data)) == "" || strings.Contains(err.Error(), "no documents"):
		r.add(file, 0, textEmpty)
	case errors.As(err, &one):
		// An unclosed bracket is found where the file has already ended.
		last := strings.Count(strings.TrimRight(string(data), "\n"), "\n") + 1
		r.add(file, min(one.Mark.Line, last), textYAML, strings.TrimPrefix(one.Message, "yaml: "))
	default:
		r.add(file, 0, textYAML, err.Error())
	}
}

// decoder fills the model from YAML nodes, strictly.
type decoder struct {
	*report
	file string
}

// word is a text as an argument of another; it speaks the language of the whole.
func word(t text.Text, args ...any) *text.Error { return text.Errorf(t, args...) }

func (d *decoder) want(n *yaml.Node, name, kind text.Text, args ...any) {
	got := word(textQuotation, n.Value)
	switch {
	case n.Kind == yaml.MappingNode:
		got = word(textMapping)
	case n.Kind == yaml.SequenceNode:
		got = word(textList)
	case isNull(n):
		got = word(textNoValue)
	}
	d.add(d.file, n.Line, textWant, word(name, args...), word(kind), got)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func (d *decoder) value(n *yaml.Node, v reflect.Value, name text.Text, args ...any) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.add(d.file, n.Line, textAlias)
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(n, u, v, name, args...)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, v, name, args...)
	case reflect.Map:
		d.pairs(n, v, name, args...)
	case reflect.Slice:
		d.list(n, v, name, args...)
	default:
		d.scalar(n, v, name, args...)
	}
}

// text fills what reads itself: an address, a network, a time.
func (d *decoder) text(n *yaml.Node, u encoding.TextUnmarshaler, v reflect.Value, name text.Text, args ...any) {
	kind := textAddr
	switch v.Type() {
	case reflect.TypeFor[netip.Prefix]():
		kind = textPrefix
	case reflect.TypeFor[Duration]():
		kind = textTime
	case reflect.TypeFor[Greylist]():
		kind = textGrey
	}
	if n.Kind != yaml.ScalarNode || isNull(n) || n.Value == "" || u.UnmarshalText([]byte(n.Value)) != nil {
		d.want(n, name, kind, args...)
	}
}

// mapping fills a struct; its keys are the yaml tags.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, name text.Text, args ...any) {
	if n.Kind != yaml.MappingNode {
		if !isNull(n) || name == textThis {
			d.want(n, name, textMapping, args...)
		}
		return
	}
	fields, known := fieldsOf(v)
	d.keys(n, func(key, val *yaml.Node) {
		f, ok := fields[key.Value]
		if !ok {
			d.add(d.file, key.Line, textKey, key.Value, strings.Join(known, ", "))
			return
		}
		d.value(val, f, textQuotation, key.Value)
	})
}

// keys calls each for every key but repeated ones.
func (d *decoder) keys(n *yaml.Node, each func(key, val *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.want(key, textKeyName, textWord)
			continue
		}
		if first, dup := seen[key.Value]; dup {
			d.add(d.file, key.Line, textTwice, key.Value, first)
			continue
		}
		seen[key.Value] = key.Line
		each(key, val)
	}
}

func fieldsOf(v reflect.Value) (fields map[string]reflect.Value, known []string) {
	fields = map[string]reflect.Value{}
	for i := range v.NumField() {
		tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if tag == "" || tag == "-" {
			continue
		}
		fields[tag] = v.Field(i)
		known = append(known, tag)
	}
	return fields, known
}

// pairs fills a map from word to word.
func (d *decoder) pairs(n *yaml.Node, v reflect.Value, name text.Text, args ...any) {
	if n.Kind != yaml.MappingNode {
		if !isNull(n) {
			d.want(n, name, textMapping, args...)
		}
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	d.keys(n, func(key, val *yaml.Node) {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(val, elem, textQuotation, key.Value)
		v.SetMapIndex(reflect.ValueOf(key.Value), elem)
	})
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, name text.Text, args ...any) {
	if v.Type() == reflect.TypeFor[Targets]() && n.Kind != yaml.SequenceNode {
		if n.Kind != yaml.ScalarNode || isNull(n) {
			d.want(n, name, textTargets, args...)
			return
		}
		v.Set(reflect.ValueOf(Targets{n.Value})) // one needs no brackets
		return
	}
	if n.Kind != yaml.SequenceNode {
		if !isNull(n) {
			d.want(n, name, textList, args...)
		}
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(item, v.Index(i), textElement)
	}
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, name text.Text, args ...any) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.want(n, name, textWord, args...)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
		if err != nil {
			d.want(n, name, textNumber, args...)
			return
		}
		v.SetInt(i)
	case reflect.Bool:
		if n.Value != "true" && n.Value != "false" {
			d.want(n, name, textBool, args...)
			return
		}
		v.SetBool(n.Value == "true")
	}
}
