package forward

import (
	"bufio"
	"io"
	"slices"
	"strings"

	"correio/services/internal/headsample"
	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
	"correio/services/mta/internal/encodedword"
)

// ListID is the identifier of a list (RFC 2919 §3), without angle brackets.
func ListID(list, domain string) string { return list + "." + domain }

// Owner is the envelope sender of a list's mail (RFC 5321 §3.9.2: reports go to
// whoever administers the list).
func Owner(list, domain string) mailaddr.Address {
	return mailaddr.Address{Local: list + lab.OwnerSuffix, Domain: domain}
}

// Fields are what a list puts in front of each message (RFC 2919, RFC 2369). The
// message stays as it is otherwise, but for the fields of another list that it
// came through: a message has one of each (RFC 2369 §2). See WithoutListFields.
func Fields(l lab.List, domain string) string {
	return listID(l, domain) + "\r\n" +
		"List-Post: <mailto:" + l.Address + "@" + domain + ">\r\n" +
		"List-Owner: <mailto:" + Owner(l.Address, domain).String() + ">\r\n" +
		"Precedence: list\r\n" // no answering machine is to answer (RFC 3834 §2)
}

// listID is the field List-Id. The identifier has a line of its own where it does
// not fit behind the title.
func listID(l lab.List, domain string) string {
	id := "<" + ListID(l.Address, domain) + ">"
	if l.Title == "" {
		return "List-Id: " + id
	}
	title := encodedword.Phrase("List-Id", l.Title)
	if last := title[strings.LastIndexByte(title, '\n')+1:]; len(last)+1+len(id) > encodedword.MaxLine {
		return title + "\r\n " + id
	}
	return title + " " + id
}

// OfList reports whether one of a message's List-Id fields is that of a list.
func OfList(listIDs []string, list, domain string) bool {
	return slices.ContainsFunc(listIDs, func(value string) bool {
		i := strings.LastIndexByte(value, '<')
		id, _, _ := strings.Cut(value[i+1:], ">")
		return strings.EqualFold(strings.TrimSpace(id), ListID(list, domain))
	})
}

// listFields are what one list sets and another replaces.
var listFields = []string{
	"List-Id", "List-Post", "List-Owner", "List-Help", "List-Subscribe", "List-Unsubscribe", "List-Archive", "Precedence",
}

// WithoutListFields leaves the fields of lists out of a message's header.
func WithoutListFields(message io.Reader) io.Reader {
	return &headerFilter{in: bufio.NewReader(message), start: true}
}

// headerFilter passes a message on, but for some fields of its header.
type headerFilter struct {
	in    *bufio.Reader
	out   []byte // read and not yet passed on; part of in's buffer
	start bool   // in is at the beginning of a line
	drop  bool   // the field at hand is left out
	body  bool   // the header has ended
}

// Read implements io.Reader.
func (f *headerFilter) Read(p []byte) (int, error) {
	for len(f.out) == 0 {
		if f.body {
			return f.in.Read(p)
		}
		part, err := f.in.ReadSlice('\n') // a part of a line when that is long
		if f.start {
			f.begin(part)
		}
		f.start = err == nil
		if !f.drop {
			f.out = part
		}
		if len(part) == 0 && err != nil {
			return 0, err
		}
	}
	n := copy(p, f.out)
	f.out = f.out[n:]
	return n, nil
}

// begin looks at the beginning of a line.
func (f *headerFilter) begin(line []byte) {
	if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		return // goes on with the field before
	}
	name, _, ok := headsample.Field(line)
	if !ok { // the empty line, or no header at all
		f.body, f.drop = true, false
		return
	}
	f.drop = slices.ContainsFunc(listFields, func(field string) bool { return strings.EqualFold(field, string(name)) })
}
