// Package zonefile reads zone files in the master format of RFC 1035 §5.
//
// Parse returns every record with the line on which it starts, so that what is
// wrong with a zone can be shown where a person wrote it. It guarantees:
//   - one file is read, and no other: $INCLUDE is refused;
//   - at most MaxSize octets are read and MaxRecords records returned, however
//     many a $GENERATE asks for;
//   - every failure is an *Error with file and line.
//
// It checks syntax alone. Whether the records make a zone is for its reader.
package zonefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// Bounds of one zone file.
const (
	MaxSize    = 10 << 20 // octets
	MaxRecords = 200_000
)

// Record is one resource record and the line, from 1, on which it starts.
type Record struct {
	RR   dns.RR
	Line int
}

// Error says what is wrong with a zone file, and where.
type Error struct {
	File string
	Line int    // from 1; 0 when the fault is of the file as a whole
	What string // such as: bad A A: "198.18.1"
}

// Error implements error as file:line: what.
func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.What)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.What)
}

// ParseFile parses the file at path. A file that cannot be read is an error of
// package os, wrapped.
func ParseFile(path, origin string) ([]Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open zone file: %w", err)
	}
	defer f.Close()
	return Parse(f, origin, path)
}

// Parse reads a zone. Names that do not end in a dot are relative to origin,
// until the file says otherwise by $ORIGIN. file is its name in errors.
func Parse(r io.Reader, origin, file string) ([]Record, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read zone file %s: %w", file, err)
	}
	if len(data) > MaxSize {
		return nil, &Error{File: file, What: fmt.Sprintf("larger than %d octets", MaxSize)}
	}
	src := &source{data: data, line: 1}
	// The parser wants a newline after the last record.
	if len(data) > 0 && data[len(data)-1] != '\n' {
		src.data = append(data, '\n')
	}
	return parse(src, dns.NewZoneParser(src, dns.Fqdn(origin), ""), file)
}

func parse(src *source, zp *dns.ZoneParser, file string) ([]Record, error) {
	var records []Record
	for {
		rr, ok := zp.Next()
		if !ok {
			break
		}
		if len(records) == MaxRecords {
			return nil, &Error{File: file, Line: src.entry(), What: fmt.Sprintf("more than %d records", MaxRecords)}
		}
		records = append(records, Record{RR: rr, Line: src.entry()})
	}
	if err := zp.Err(); err != nil {
		return nil, fault(src, file, err)
	}
	return records, nil
}

// where is how the parser ends its messages; it does not export the position.
var where = regexp.MustCompile(` at line: (\d+):\d+$`)

// fault gives a parser's error the place where the reader finds it.
func fault(src *source, file string, err error) *Error {
	what := strings.TrimPrefix(err.Error(), "dns: ")
	first := src.entry()
	line := first
	if m := where.FindStringSubmatch(what); m != nil {
		what = strings.TrimSuffix(what, m[0])
		// Within $GENERATE the parser counts the lines that it made itself.
		if n, err := strconv.Atoi(m[1]); err == nil && n >= first && n <= src.last {
			line = n
		}
	}
	return &Error{File: file, Line: line, What: what}
}

// source feeds the parser octet by octet, and so knows how far it has read.
type source struct {
	data []byte
	pos  int // next octet to read
	from int // where the entry now read begins
	line int // line of from
	last int // line of the last octet that the entry takes
	at   int // line of the entry
}

var errNotBytewise = errors.New("zone source is read by octets")

// Read implements io.Reader for the parser's signature; it is never used.
func (*source) Read([]byte) (int, error) { return 0, errNotBytewise }

// ReadByte implements io.ByteReader.
func (s *source) ReadByte() (byte, error) {
	if s.pos == len(s.data) {
		return 0, io.EOF
	}
	s.pos++
	return s.data[s.pos-1], nil
}

// entry returns the line of what was read since the last call: the first line
// there that is neither blank, nor a comment, nor a directive that makes no
// record. When nothing was read, as between the records of one $GENERATE, it
// is the same line again.
func (s *source) entry() int {
	if s.pos == s.from {
		return max(s.at, 1)
	}
	s.at = 0
	n, rest := s.line, s.data[s.from:s.pos]
	for len(rest) > 0 {
		text, after, newline := bytes.Cut(rest, []byte{'\n'})
		s.last = n
		if s.at == 0 && isEntry(text) {
			s.at = n
		}
		if newline {
			n++
		}
		rest = after
	}
	if s.at == 0 { // directives alone: what failed is the last of them
		s.at = s.last
	}
	s.from, s.line = s.pos, n
	return s.at
}

func isEntry(text []byte) bool {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || text[0] == ';' {
		return false
	}
	word, _, _ := bytes.Cut(bytes.ToUpper(text), []byte{' '})
	word, _, _ = bytes.Cut(word, []byte{'\t'})
	return !bytes.Equal(word, []byte("$TTL")) && !bytes.Equal(word, []byte("$ORIGIN"))
}
