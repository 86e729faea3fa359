package scenario

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// readReport prints as JSON what Python's email package sees in the report on
// standard input: the types of its parts, the blocks of its second part, and the
// third part.
const readReport = `
import email, email.policy, json, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
text, status, returned = m.get_payload()
print(json.dumps({
    "type": m.get_content_type(), "report": m.get_param("report-type"), "to": str(m["to"]), "return_path": str(m["return-path"]),
    "parts": [p.get_content_type() for p in m.get_payload()],
    "text": text.get_content(),
    "status": [{k: str(v) for k, v in b.items() if v} for b in status.get_payload()],
    "returned": str(returned.get_payload()),
    "defects": [str(d) for p in m.walk() for d in p.defects],
}))`

// report is what readReport prints.
type report struct {
	Type       string              `json:"type"`
	Report     string              `json:"report"`
	To         string              `json:"to"`
	ReturnPath string              `json:"return_path"`
	Parts      []string            `json:"parts"`
	Text       string              `json:"text"`
	Status     []map[string]string `json:"status"`
	Returned   string              `json:"returned"`
	Defects    []string            `json:"defects"`
}

// deliveryReports asks for reports as RFC 3461 has it, and reads those that
// come.
func deliveryReports(t *testing.T, p *player) {
	k := NewTalk(t, p.dial("198.18.2.25:25"))
	k.Hear("220 ")
	if hello := k.Say("EHLO pc.aurora.test", "250 "); !strings.Contains(hello, "DSN\r\n") {
		t.Errorf("DSN is not offered:\n%s", hello)
	}
	k.Say("QUIT", "221 ")

	for name, test := range map[string]struct {
		to, state string
		want      map[string]string // fields about the recipient
		mta       string            // who reports
		text      string
		sender    string // whom the reporting host knows as the sender; "" for Ana
	}{
		"delivered": {"bruno@boreal.test", "delivered", map[string]string{
			"Action": "delivered", "Status": "2.1.5", "Remote-MTA": "dns; mda.boreal.test",
		}, "mx1.boreal.test", "foi colocada nas caixas postais", ""},
		"refused by the other side": {"ninguem@boreal.test", "bounced", map[string]string{
			"Action": "failed", "Status": "5.1.1", "Remote-MTA": "dns; mx1.boreal.test", "Diagnostic-Code": "smtp; 550 5.1.1 ",
		}, "mx1.aurora.test", "mx1.boreal.test respondeu: 550 5.1.1", ""},
		"no such domain": {"x@nx.casos.test", "bounced", map[string]string{
			"Action": "failed", "Status": "5.1.2", "Remote-MTA": "", "Diagnostic-Code": "X-Correio; 550 5.1.2 ",
		}, "mx1.aurora.test", "motivo: 550 5.1.2", ""},
		"forwarded, then delivered": {"encaminha@boreal.test", "delivered", map[string]string{
			"Action": "delivered", "Status": "2.1.5",
		}, "", "foi colocada nas caixas postais", "=aurora.test=ana@boreal.test"}, // by SRS
	} {
		t.Run(name, func(t *testing.T) {
			p := &player{t: t, lab: p.lab}
			mark := newMark()
			s := p.send("ana@aurora.test", test.to, "--subject", mark, "--notify", "success,failure", "--ret", "hdrs", "--envid", "envelope "+mark)
			p.trace(s, test.state)
			r := p.readReport(p.find(aurora, "ana", "Original-Envelope-Id: envelope "+mark, false))
			r.check(t, test.to, cmp.Or(test.sender, "ana@aurora.test"), mark, s)
			if test.mta != "" && r.Status[0]["Reporting-MTA"] != "dns; "+test.mta {
				t.Errorf("reported by %s, want %s", r.Status[0]["Reporting-MTA"], test.mta)
			}
			for field, want := range test.want {
				if got := r.Status[1][field]; !strings.HasPrefix(got, want) || want == "" && got != "" {
					t.Errorf("%s is %q, want %q", field, got, want)
				}
			}
			if !strings.Contains(strings.ReplaceAll(r.Text, "\n", " "), test.text) {
				t.Errorf("the text lacks %q:\n%s", test.text, r.Text)
			}
		})
	}
}

// readReport reads a report by Python, which every machine that runs this suite
// must have.
func (p *player) readReport(raw []byte) report {
	p.t.Helper()
	var out, talk bytes.Buffer
	cmd := exec.CommandContext(p.t.Context(), "python3", "-c", readReport)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(raw), &out, &talk
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("read the report by Python: %v\n%s\n%s", err, talk.String(), raw)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		p.t.Fatal(err)
	}
	return r
}

// check checks what all reports have in common.
func (r report) check(t *testing.T, to, sender, mark string, s Sent) {
	t.Helper()
	if len(r.Defects) > 0 || r.Type != "multipart/report" || r.Report != "delivery-status" || r.ReturnPath != "<>" ||
		strings.Join(r.Parts, " ") != "text/plain message/delivery-status text/rfc822-headers" || !strings.HasSuffix(r.To, sender) {
		t.Errorf("%s, %s, to %s from %s, parts %q, defects %q", r.Type, r.Report, r.To, r.ReturnPath, r.Parts, r.Defects)
	}
	if len(r.Status) != 2 {
		t.Fatalf("%d blocks in the status, want one about the message and one about the recipient: %v", len(r.Status), r.Status)
	}
	if got := r.Status[0]["Original-Envelope-Id"]; got != "envelope "+mark {
		t.Errorf("Original-Envelope-Id %q", got)
	}
	if got := r.Status[1]["Original-Recipient"]; got != "rfc822; "+to {
		t.Errorf("Original-Recipient %q, want %s", got, to)
	}
	if !strings.Contains(r.Returned, "Message-ID: <"+s.MessageID+">") || !strings.Contains(r.Returned, "Subject: "+mark) {
		t.Errorf("returned:\n%s", r.Returned)
	}
}
