package headsample

import (
	"bytes"
	"strings"
)

// MaxValues bounds the fields of one name that a Values keeps.
const MaxValues = 100

// Values finds the values of all fields of one name among the lines of a header,
// unfolded and cut at MaxLine.
type Values struct {
	Name string // in any case
	List []string
	in   bool // the line before was part of the last one
}

// Line takes the next line of the header.
func (v *Values) Line(line []byte) {
	if v.in = v.in && len(line) > 0 && (line[0] == ' ' || line[0] == '\t'); v.in {
		last := &v.List[len(v.List)-1]
		*last = strings.TrimSpace(*last + " " + cut(line, MaxLine-len(*last)))
		return
	}
	name, value, ok := Field(line)
	if ok && len(v.List) < MaxValues && strings.EqualFold(string(name), v.Name) {
		v.in = true
		v.List = append(v.List, cut(value, MaxLine))
	}
}

func cut(b []byte, limit int) string {
	b = bytes.TrimSpace(b)
	return string(b[:min(len(b), max(limit, 0))])
}
