package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/usage"
	"correio/services/internal/dsn"
	"correio/services/internal/mailaddr"
	"correio/services/internal/text"
)

// maxMessage bounds the message that is read from a file, in octets.
const maxMessage = 64 << 20

func (a *app) sendCommand() *cobra.Command {
	var m client.Message
	var eml string
	var verbose bool
	cmd := &cobra.Command{
		Use:     "send --from ADDRESS --to ADDRESS",
		Short:   sendShort.In(a.lang),
		Long:    sendLong.In(a.lang),
		Example: sendExample,
		Args:    usage.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, other := range []string{"subject", "body"} {
				if err := usage.Exclusive(cmd, "eml", other); err != nil {
					return err
				}
			}
			if m.From == "" || len(m.To) == 0 {
				return usage.Errorf(cmd, sendWantsBoth)
			}
			if err := mailAddresses(cmd, append([]string{m.From}, m.To...)...); err != nil {
				return err
			}
			if err := checkReports(cmd, m); err != nil {
				return err
			}
			var err error
			if m.Auth, err = mechanism(cmd, m.Auth, "plain", "login", "cram-md5", "scram-sha-256"); err != nil {
				return err
			}
			if eml != "" {
				if m.EML, err = a.readInput(eml); err != nil {
					return err
				}
			}
			return a.send(cmd, m, verbose)
		},
	}
	f := cmd.Flags()
	f.StringVar(&m.From, "from", "", sendFromFlag.In(a.lang))
	f.StringArrayVar(&m.To, "to", nil, sendToFlag.In(a.lang))
	f.StringVar(&m.Subject, "subject", "", sendSubjectFlag.In(a.lang))
	f.StringVar(&m.Body, "body", "", sendBodyFlag.In(a.lang))
	f.StringVar(&eml, "eml", "", sendEMLFlag.In(a.lang))
	f.StringVar(&m.Auth, "auth", strongest, sendAuthFlag.In(a.lang))
	f.StringVar(&m.Notify, "notify", "", sendNotifyFlag.In(a.lang))
	f.StringVar(&m.Ret, "ret", "", sendRetFlag.In(a.lang))
	f.StringVar(&m.EnvID, "envid", "", sendEnvIDFlag.In(a.lang))
	f.BoolVarP(&verbose, "verbose", "v", false, verboseDialogueFlag.In(a.lang))
	return cmd
}

// checkReports checks what is wanted of delivery reports.
func checkReports(cmd *cobra.Command, m client.Message) error {
	for _, f := range []struct {
		given string
		read  func(string) (string, bool)
		wrong text.Text
	}{
		{m.Notify, dsn.Notify, sendBadNotify}, {m.Ret, dsn.Ret, sendBadRet}, {m.EnvID, dsn.EncodeEnvID, sendBadEnvID},
	} {
		if f.given == "" {
			continue
		}
		if _, ok := f.read(f.given); !ok {
			return usage.Errorf(cmd, f.wrong, f.given)
		}
	}
	return nil
}

func (a *app) send(cmd *cobra.Command, m client.Message, verbose bool) error {
	lab, err := a.running(cmd)
	if err != nil {
		return err
	}
	workstation, err := a.workstationOf(cmd, lab, m.From)
	if err != nil {
		return err
	}
	sent, err := lab.Send(cmd.Context(), workstation, m)
	if err != nil {
		return a.away(cmd.Context(), lab, err)
	}
	if verbose {
		a.dialogue(sent.Lines)
	}
	if a.json {
		if err := a.data(sent); err != nil {
			return err
		}
	} else if sent.OK || len(sent.Accepted) > 0 {
		fmt.Fprintf(a.stdout, "%s %s\n", sent.QueueID, sent.MessageID)
	}
	if sent.OK {
		a.say(sendNext, cmp.Or(sent.MessageID, sent.QueueID))
		return nil
	}
	a.saySent(cmd.Context(), lab, sent)
	return errReported
}

// saySent says what became of a message that was not taken for everybody. Who
// hears of the failure alone sends it again, to those who have it as well.
func (a *app) saySent(ctx context.Context, lab *client.Lab, sent client.Sent) {
	if len(sent.Accepted) == 0 && (len(sent.Refused) < 2 || sent.Step != "rcpt") {
		a.say(sendFailed, sent.Code, sent.Step, a.unspoken(ctx, lab, sent.Trouble, sent.Server, sent.Reply))
		return
	}
	if len(sent.Accepted) > 0 {
		a.say(sendSome, strings.Join(sent.Accepted, ", "), cmp.Or(sent.MessageID, sent.QueueID))
	}
	for _, r := range sent.Refused {
		a.say(sendFailedFor, r.To, sent.Code, sent.Step, printable(r.Reply))
	}
}

// dialogue prints lines as swaks does: arrows show who spoke.
func (a *app) dialogue(lines []client.Line) {
	for _, l := range lines {
		mark := " "
		if l.TLS {
			mark = "~"
		}
		arrow := "<" + mark
		if l.Dir == ">" {
			arrow = mark + ">"
		}
		said := l.Text
		if l.Note != nil {
			said = printable(l.Note.In(a.lang))
		}
		fmt.Fprintf(a.stderr, "%5d ms %s %s\n", l.OffsetMS, arrow, said)
	}
}

// readInput reads a file, or standard input for "-".
func (a *app) readInput(name string) ([]byte, error) {
	in := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxMessage+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxMessage {
		return nil, fmt.Errorf("read %s: more than %d octets", name, maxMessage)
	}
	return data, nil
}

// workstationOf returns the workstation of the organisation of a mail address.
func (a *app) workstationOf(cmd *cobra.Command, lab *client.Lab, address string) (string, error) {
	addr, err := mailaddr.Parse(address)
	if err != nil {
		return "", usage.Errorf(cmd, notAnAddress, address, err)
	}
	return a.workstation(cmd.Context(), lab, addr.ALabels().Domain)
}

// workstation returns the one in a domain.
func (a *app) workstation(ctx context.Context, lab *client.Lab, domain string) (string, error) {
	nodes, err := lab.Nodes(ctx)
	if err != nil {
		return "", err
	}
	var domains []string
	for _, n := range nodes {
		if n.Role != "pc" {
			continue
		}
		_, own, _ := strings.Cut(n.Name, ".")
		if strings.EqualFold(own, domain) {
			return n.Name, nil
		}
		domains = append(domains, own)
	}
	return "", textError(noWorkstation, domain, strings.Join(domains, ", "))
}
