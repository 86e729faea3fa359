package bouncetest

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"correio/services/internal/mailaddr"
)

// patterns are what fields must look like (RFC 3464 §2, RFC 3461 §6.3).
var patterns = map[string]*regexp.Regexp{
	"message-id":           regexp.MustCompile(`^<[^<>@ ]+@[^<>@ ]+>$`),
	"in-reply-to":          regexp.MustCompile(`^<[^<> ]+>$`),
	"references":           regexp.MustCompile(`^<[^<> ]+>$`),
	"mime-version":         regexp.MustCompile(`^1\.0$`),
	"auto-submitted":       regexp.MustCompile(`^auto-replied$`),
	"to":                   regexp.MustCompile(`^<.+>$`),
	"from":                 regexp.MustCompile(`^"[^"\\]+" <[^<>]+@[^<>]+>$`),
	"original-envelope-id": regexp.MustCompile(`^[ -~]+$`),
	"reporting-mta":        regexp.MustCompile(`^dns; [A-Za-z0-9.-]+$`),
	"remote-mta":           regexp.MustCompile(`^dns; [!-~]+$`),
	"received-from-mta":    regexp.MustCompile(`^dns; [!-'*-~]+ \([0-9A-Fa-f.:]+\)$`),
	"original-recipient":   regexp.MustCompile(`^[A-Za-z0-9-]+; .+$`),
	"final-recipient":      regexp.MustCompile(`^(rfc822|utf-8); .+$`),
	"action":               regexp.MustCompile(`^(failed|delayed|delivered|relayed|expanded)$`),
	"status":               regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}$`),
	"diagnostic-code":      regexp.MustCompile(`^(smtp; [245][0-9][0-9]( .*)?|X-Correio; .+)$`),
	"x-correio-queue-id":   regexp.MustCompile(`^[0-9A-F]+$`),
	"arrival-date":         nil, // dates
	"last-attempt-date":    nil,
	"will-retry-until":     nil,
	"date":                 nil,
}

// check checks one field by itself.
func check(name, value string) error {
	pattern, known := patterns[name]
	switch {
	case !known:
		return nil
	case pattern == nil:
		if _, err := time.Parse(time.RFC1123Z, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	case !pattern.MatchString(value):
		return fmt.Errorf("%s: %q", name, value)
	}
	return nil
}

// readStatus reads the second part: blocks of fields with an empty line
// between them, the first about the message, the others about recipients.
func (r *Report) readStatus(body string) error {
	global := r.Type == "message/global-delivery-status"
	for i, block := range strings.Split(strings.TrimSuffix(body, "\r\n"), "\r\n\r\n") {
		f, err := readFields(block, nil)
		if err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
		for name, value := range f {
			if _, known := patterns[name]; !known {
				return fmt.Errorf("unknown field %s", name)
			}
			if err := check(name, value); err != nil {
				return err
			}
			if !global && !ascii(value) {
				return fmt.Errorf("%s is not ASCII: %q", name, value)
			}
		}
		if i == 0 {
			r.Message = f
			err = want(f, "reporting-mta", "arrival-date")
		} else {
			r.Recipients = append(r.Recipients, f)
			err = checkRecipient(f, global)
		}
		if err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
	}
	if len(r.Recipients) == 0 {
		return errors.New("about nobody")
	}
	return nil
}

func want(f Fields, names ...string) error {
	for _, name := range names {
		if f[name] == "" {
			return fmt.Errorf("no %s", name)
		}
	}
	return nil
}

// checkRecipient checks the fields about one recipient against each other.
func checkRecipient(f Fields, global bool) error {
	if err := want(f, "final-recipient", "action", "status", "last-attempt-date"); err != nil {
		return err
	}
	action, class := f["action"], f["status"][:1]
	wanted := map[string]string{"failed": "54", "delayed": "4", "delivered": "2", "relayed": "2", "expanded": "2"}[action]
	_, until := f["will-retry-until"]
	_, host := f["remote-mta"]
	kind, address, _ := strings.Cut(f["final-recipient"], "; ")
	switch {
	case !strings.Contains(wanted, class):
		return fmt.Errorf("action %s with status %s", action, f["status"])
	case until != (action == "delayed"):
		return fmt.Errorf("action %s, Will-Retry-Until %q", action, f["will-retry-until"])
	case strings.HasPrefix(f["diagnostic-code"], "smtp;") != host:
		return fmt.Errorf("field Remote-MTA %q with Diagnostic-Code %q: whose word is it?", f["remote-mta"], f["diagnostic-code"])
	case kind == "rfc822" && !ascii(address):
		return fmt.Errorf("rfc822 address %q", address)
	}
	if kind == "utf-8" && !global {
		return nil // encoded
	}
	if _, err := mailaddr.Parse(address); err != nil {
		return fmt.Errorf("final recipient %q: %w", address, err)
	}
	return nil
}
