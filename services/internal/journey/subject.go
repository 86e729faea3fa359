package journey

import (
	"mime"
	"strings"
	"unicode/utf8"
)

// maxSubject bounds a Subject, in octets: RFC 5322 §2.1.1 has lines of 998.
const maxSubject = 998

// subject is the first Subject field that was spoken in the steps of the message
// itself, as people read it. Other messages of its connections are in no step.
func subject(steps []Step) string {
	for _, s := range steps {
		if s.Report {
			continue
		}
		for i, l := range s.Lines {
			if value, ok := cutSubject(l.Text); ok && l.Dir != "=" {
				return readable(value + continued(s.Lines[i+1:], l.Dir))
			}
		}
	}
	return ""
}

func cutSubject(line string) (string, bool) {
	const name = "subject:"
	if len(line) < len(name) || !strings.EqualFold(line[:len(name)], name) {
		return "", false
	}
	return line[len(name):], true
}

// continued is what stands on the lines that a field goes on at: they begin with
// white space (RFC 5322 §2.2.3).
func continued(lines []Line, dir string) string {
	var b strings.Builder
	for _, l := range lines {
		if l.Dir != dir || !strings.HasPrefix(l.Text, " ") && !strings.HasPrefix(l.Text, "\t") || b.Len() > maxSubject {
			break
		}
		b.WriteString(l.Text)
	}
	return b.String()
}

// readable puts encoded words (RFC 2047) into the characters that they stand
// for, and all on one line. What cannot be decoded stays as it is.
func readable(value string) string {
	decoded, err := new(mime.WordDecoder).DecodeHeader(value)
	if err != nil {
		decoded = value
	}
	decoded = strings.Join(strings.Fields(decoded), " ")
	if len(decoded) <= maxSubject {
		return decoded
	}
	end := maxSubject
	for !utf8.RuneStart(decoded[end]) {
		end--
	}
	return decoded[:end] + "…"
}
