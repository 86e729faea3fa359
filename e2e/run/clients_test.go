package run

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/emersion/go-smtp"
)

// client is a program or library of others that submits mail.
type client struct {
	name  string
	needs string // the program to be installed, from Debian's package of that name; "" for a library
	// send submits and returns what the client said.
	send func(ctx context.Context, o order) (said string, err error)
	// nothing is what arrives of an empty message: some send an empty line.
	nothing string
}

var clients = []*client{
	{name: "go-smtp", send: sendGoSMTP, nothing: "\r\n"},
	{name: "smtplib", needs: "python3", send: sendSmtplib, nothing: "\r\n"},
	{name: "swaks", needs: "swaks", send: sendSwaks, nothing: "\r\n"},
	{name: "curl", needs: "curl", send: sendCurl},
	{name: "msmtp", needs: "msmtp", send: sendMsmtp},
}

// How the connection is secured.
const (
	inClear  = ""
	startTLS = "starttls"
	implicit = "tls"
)

// way is how a message is handed over.
type way struct {
	host, port, security string
	mechanism            string // of AUTH; "" means not at all
	direct               bool   // to the recipient's server: no submission
}

var (
	submission  = way{host: "mx1.aurora.test", port: "587", security: startTLS, mechanism: "PLAIN"}
	submissions = way{host: "mx1.aurora.test", port: "465", security: implicit, mechanism: "PLAIN"}
	misprinted  = way{host: "mx1.aurora.test", port: "589", security: startTLS, mechanism: "PLAIN"}
	port25      = way{host: "mx1.boreal.test", port: "25", direct: true}
)

// order is one message for one client to submit.
type order struct {
	client *client
	way    way
	letter letter
	text   string // the letter's, with a word of its own
	to     string

	password string
	ehlo     string // how the client calls itself
	ca       string // the file of the authority to trust
	dir      string // to write files in
}

// Who sends. Everybody's password is their name.
const sender, user = "ana@aurora.test", "ana"

// file writes what a program reads.
func (o order) file(name, content string) (string, error) {
	path := filepath.Join(o.dir, name)
	return path, os.WriteFile(path, []byte(content), 0o600)
}

// runProgram runs a client with the message, or nothing, on its standard input.
func runProgram(ctx context.Context, o order, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, o.client.needs, args...)
	// No .swaksrc of somebody's, no language but one.
	cmd.Env = append(os.Environ(), "SWAKS_HOME="+o.dir, "LC_ALL=C.UTF-8")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Stdin = strings.NewReader(stdin)
	err := cmd.Run()
	return said.String(), err
}

//go:embed testdata/submit.py
var submitPy string

func sendSmtplib(ctx context.Context, o order) (string, error) {
	file, err := o.file("message", o.text)
	if err != nil {
		return "", err
	}
	options := []string{}
	if o.letter.eightBit {
		options = append(options, "BODY=8BITMIME")
	}
	if o.letter.utf8 {
		options = append(options, "SMTPUTF8")
	}
	arg, err := json.Marshal(map[string]any{
		"host": o.way.host, "port": o.way.port, "security": o.way.security, "mechanism": o.way.mechanism, "ca": o.ca,
		"user": user, "password": o.password, "ehlo": o.ehlo, "from": sender, "to": o.to, "file": file, "options": options,
	})
	if err != nil {
		return "", err
	}
	return runProgram(ctx, o, "", "-I", "-c", submitPy, string(arg))
}

// sendCurl: curl knows SMTPUTF8 from the address, and does not say 8BITMIME.
func sendCurl(ctx context.Context, o order) (string, error) {
	file, err := o.file("message", o.text)
	if err != nil {
		return "", err
	}
	scheme := "smtp"
	args := []string{
		"-q", "--silent", "--show-error", "--verbose", "--cacert", o.ca, "--mail-from", sender, "--mail-rcpt", o.to, "--upload-file", file,
	}
	switch o.way.security {
	case startTLS:
		args = append(args, "--ssl-reqd")
	case implicit:
		scheme = "smtps"
	}
	if o.way.mechanism != "" {
		args = append(args, "--user", user+":"+o.password, "--login-options", "AUTH="+o.way.mechanism)
	}
	return runProgram(ctx, o, "", append(args, scheme+"://"+o.way.host+":"+o.way.port+"/"+o.ehlo)...)
}

// sendMsmtp switches off what msmtp would change of its own accord.
func sendMsmtp(ctx context.Context, o order) (string, error) {
	tlsWord, startWord, auth := "on", "on", strings.ToLower(o.way.mechanism)
	switch o.way.security {
	case inClear:
		tlsWord = "off"
	case implicit:
		startWord = "off"
	}
	if auth == "" {
		auth = "off"
	}
	config, err := o.file("msmtprc", strings.Join([]string{
		"account default", "host " + o.way.host, "port " + o.way.port, "domain " + o.ehlo, "from " + sender,
		"tls " + tlsWord, "tls_starttls " + startWord, "tls_trust_file " + o.ca,
		"auth " + auth, "user " + user, "password " + o.password,
		"set_date_header off", "set_from_header off", "set_msgid_header off", "",
	}, "\n"))
	if err != nil {
		return "", err
	}
	return runProgram(ctx, o, o.text, "--debug", "--file="+config, "--", o.to)
}

// sendSwaks gives swaks its own notation: a line with a dot alone ends the data,
// which swaks takes for given, and rewrites, unless it is told to keep its hands
// off. Then dots are ours to stuff.
func sendSwaks(ctx context.Context, o order) (string, error) {
	data := o.text
	if o.letter.unlike {
		data = "\n" + arrives(data, o.client.nothing)
		data = strings.ReplaceAll(data, "\n.", "\n..")[1:] + "."
	} else if strings.HasSuffix(data, "\r\n") || strings.HasSuffix(data, "\n.") {
		data = arrives(data, o.client.nothing) + "."
	}
	file, err := o.file("message", data)
	if err != nil {
		return "", err
	}
	args := []string{
		"--server", o.way.host, "--port", o.way.port, "--ehlo", o.ehlo, "--from", sender, "--to", o.to,
		"--data", "@" + file, "--no-strip-from", "--suppress-data", "--timeout", "60",
	}
	if o.letter.unlike {
		args = append(args, "--no-data-fixup")
	}
	if o.way.security != inClear {
		args = append(args, map[string]string{startTLS: "--tls", implicit: "--tls-on-connect"}[o.way.security],
			"--tls-verify", "--tls-ca-path", o.ca)
	}
	if o.way.mechanism != "" {
		args = append(args, "--auth", o.way.mechanism, "--auth-user", user, "--auth-password", o.password)
	}
	return runProgram(ctx, o, "", args...)
}

func sendGoSMTP(_ context.Context, o order) (string, error) {
	c, err := dialGoSMTP(o)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.CommandTimeout, c.SubmissionTimeout = patience, patience
	if err := c.Hello(o.ehlo); err != nil {
		return "", err
	}
	if o.way.mechanism != "" {
		mechanism, err := goMechanism(o.way.mechanism, o.password)
		if err != nil {
			return "", err
		}
		if err := c.Auth(mechanism); err != nil {
			return "", err
		}
	}
	if err := c.Mail(sender, &smtp.MailOptions{Size: int64(len(o.text)), UTF8: o.letter.utf8}); err != nil {
		return "", err
	}
	if err := c.Rcpt(o.to, nil); err != nil {
		return "", err
	}
	w, err := c.Data()
	if err != nil {
		return "", err
	}
	if _, err := io.WriteString(w, o.text); err != nil {
		return "", err
	}
	return "", errors.Join(w.Close(), c.Quit())
}

func dialGoSMTP(o order) (*smtp.Client, error) {
	ca, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, err
	}
	trust := &tls.Config{RootCAs: x509.NewCertPool()}
	trust.RootCAs.AppendCertsFromPEM(ca)
	addr := o.way.host + ":" + o.way.port
	switch o.way.security {
	case startTLS:
		return smtp.DialStartTLS(addr, trust)
	case implicit:
		return smtp.DialTLS(addr, trust)
	}
	return smtp.Dial(addr)
}
