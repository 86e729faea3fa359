package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/usage"
)

func (a *app) fetchCommand() *cobra.Command {
	var f client.Fetch
	var secured, starttls, verbose bool
	var out string
	cmd := &cobra.Command{
		Use:     "fetch USER@ORG",
		Short:   fetchShort.In(a.lang),
		Long:    fetchLong.In(a.lang),
		Example: fetchExample,
		Args:    usage.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := usage.Exclusive(cmd, "tls", "starttls"); err != nil {
				return err
			}
			var err error
			if f.Auth, err = mechanism(cmd, f.Auth, passwd, "plain", "cram-md5", "scram-sha-256"); err != nil {
				return err
			}
			f.User = args[0]
			switch {
			case secured:
				f.TLS = "tls"
			case starttls:
				f.TLS = "starttls"
			default:
				f.TLS = "none"
			}
			return a.fetch(cmd, f, out, verbose)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&secured, "tls", false, fetchTLSFlag.In(a.lang))
	flags.BoolVar(&starttls, "starttls", false, fetchSTLSFlag.In(a.lang))
	flags.StringVar(&f.Auth, "auth", passwd, fetchAuthFlag.In(a.lang))
	flags.BoolVar(&f.Keep, "keep", false, fetchKeepFlag.In(a.lang))
	flags.StringVarP(&out, "output", "o", "", fetchOutFlag.In(a.lang))
	flags.BoolVarP(&verbose, "verbose", "v", false, verboseDialogueFlag.In(a.lang))
	return cmd
}

func (a *app) fetch(cmd *cobra.Command, f client.Fetch, out string, verbose bool) error {
	lab, err := a.running(cmd)
	if err != nil {
		return err
	}
	workstation, err := a.workstationOf(cmd, lab, f.User)
	if err != nil {
		return err
	}
	if out != "" { // before the server deletes anything
		if err := os.MkdirAll(out, 0o755); err != nil {
			return fmt.Errorf("make output directory: %w", err)
		}
	}
	got, err := lab.Fetch(cmd.Context(), workstation, f)
	if err != nil {
		return a.away(cmd.Context(), lab, err)
	}
	if verbose {
		a.dialogue(got.Lines)
	}
	if err := a.writeMail(f.User, got, out); err != nil {
		return err
	}
	if !got.OK {
		a.say(fetchFailed, got.Step, a.unspoken(cmd.Context(), lab, got.Trouble, got.Server, got.Reply))
		return errReported
	}
	a.say(fetched, len(got.Messages), f.User)
	return nil
}

// writeMail writes what came: as JSON, as files, or as an mbox.
func (a *app) writeMail(user string, got client.Fetched, out string) error {
	switch {
	case a.json:
		return a.data(got)
	case out == "":
		for _, m := range got.Messages {
			if _, err := a.stdout.Write(mbox(user, m.EML, time.Now())); err != nil {
				return fmt.Errorf("write message: %w", err)
			}
		}
		return nil
	}
	var errs []error
	for i, m := range got.Messages {
		name := filepath.Join(out, fileName(i, m.UID))
		if err := os.WriteFile(name, m.EML, 0o600); err != nil {
			errs = append(errs, fmt.Errorf("write message: %w", err))
			continue
		}
		fmt.Fprintln(a.stdout, name)
	}
	return errors.Join(errs...)
}

// fileName names a message's file by its unique id, of which a server may have
// chosen the characters (RFC 1939 §7: 0x21 to 0x7E).
func fileName(i int, uid string) string {
	safe := strings.Map(func(r rune) rune {
		if strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", r) {
			return r
		}
		return '_'
	}, uid)
	if safe == "" {
		safe = fmt.Sprint(i + 1)
	}
	return safe[:min(len(safe), 100)] + ".eml"
}

// mbox writes a message as an entry of a mailbox file (RFC 4155; lines that
// begin with "From ", quoted or not, are quoted as in mboxrd).
func mbox(user string, eml []byte, now time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From %s %s\n", user, now.UTC().Format(time.ANSIC))
	for line := range bytes.Lines(eml) {
		line = bytes.TrimRight(line, "\r\n")
		if bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")) {
			b.WriteByte('>')
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.Bytes()
}
