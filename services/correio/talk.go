package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/console"
	"correio/services/correio/internal/usage"
	"correio/services/internal/problem"
)

func (a *app) talkCommand() *cobra.Command {
	var secured, starttls bool
	var via string
	cmd := &cobra.Command{
		Use:     "talk HOST PORT",
		Short:   talkShort.In(a.lang),
		Long:    talkLong.In(a.lang),
		Example: talkExample,
		Args:    usage.Args(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := usage.Exclusive(cmd, "tls", "starttls"); err != nil {
				return err
			}
			host, port := args[0], args[1]
			for _, fault := range []error{hostName(cmd, host), portNumber(cmd, port), viaName(cmd, via)} {
				if fault != nil {
					return fault
				}
			}
			c, from, err := a.connect(cmd, via, host, port)
			if err != nil {
				return err
			}
			a.say(talkConnected, net.JoinHostPort(host, port), from)
			if secured || starttls {
				if c, err = a.secure(cmd.Context(), c, host, port, starttls); err != nil {
					return err
				}
			}
			return console.Run(cmd.Context(), c, a.stdin, a.stdout)
		},
	}
	cmd.Flags().BoolVar(&secured, "tls", false, talkTLSFlag.In(a.lang))
	cmd.Flags().BoolVar(&starttls, "starttls", false, talkSTARTTLSFlag.In(a.lang))
	cmd.Flags().StringVar(&via, "via", "", talkViaFlag.In(a.lang))
	return cmd
}

// here stands for the machine, container or namespace that the command runs
// in, in place of a workstation of the lab.
const here = "here"

// connect opens a connection to host and port from a workstation, or from
// here, and says from where.
func (a *app) connect(cmd *cobra.Command, via, host, port string) (c net.Conn, from string, err error) {
	to := net.JoinHostPort(host, port)
	if via == here {
		d := net.Dialer{Timeout: 10 * time.Second}
		if c, err = d.DialContext(cmd.Context(), "tcp", to); err != nil {
			return nil, "", problem.Connecting(to, err)
		}
		return c, via, nil
	}
	lab, err := a.running(cmd)
	if err != nil {
		return nil, "", err
	}
	if via == "" {
		if via, err = a.nearest(cmd.Context(), lab, host); err != nil {
			return nil, "", err
		}
	}
	if c, err = lab.Dial(cmd.Context(), via, to); err != nil {
		return nil, "", a.away(cmd.Context(), lab, err)
	}
	return c, via, nil
}

// nearest returns the workstation on a host's own LAN, for which it may be the
// only way there, and else the first of the lab.
func (a *app) nearest(ctx context.Context, lab *client.Lab, host string) (string, error) {
	nodes, err := lab.Nodes(ctx)
	if err != nil {
		return "", err
	}
	first := ""
	for _, n := range nodes {
		if n.Role != "pc" {
			continue
		}
		_, domain, _ := strings.Cut(n.Name, ".")
		if strings.HasSuffix(strings.ToLower(host), "."+domain) || sameLAN(n, nodes, host) {
			return n.Name, nil
		}
		if first == "" {
			first = n.Name
		}
	}
	if first == "" {
		return "", textError(noWorkstations)
	}
	return first, nil
}

// sameLAN reports whether host is the LAN address of a node of the
// workstation's site.
func sameLAN(workstation client.Node, nodes []client.Node, host string) bool {
	for _, n := range nodes {
		if n.LAN.IsValid() && n.LAN.String() == host && n.Site == workstation.Site {
			return true
		}
	}
	return false
}

// secure starts TLS and says what there is to say of it.
func (a *app) secure(ctx context.Context, c net.Conn, host, port string, starttls bool) (net.Conn, error) {
	var secured *tls.Conn
	var err error
	if starttls {
		secured, err = console.Upgrade(ctx, c, host, port, a.stdout)
	} else {
		secured, err = console.StartTLS(ctx, c, host)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	state := secured.ConnectionState()
	leaf := state.PeerCertificates[0]
	a.say(talkSecured, tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite),
		leaf.Subject.CommonName, strings.Join(leaf.DNSNames, " "), leaf.Issuer.CommonName, leaf.NotAfter.Format("2006-01-02"))
	if err := a.verify(state, host); err != nil {
		a.say(talkNotTrusted, err)
	}
	return secured, nil
}

// verify checks the certificate against the lab's authority, where its file is
// known (in `correio run -- COMMAND` it is).
func (a *app) verify(state tls.ConnectionState, host string) error {
	file := a.getenv("CORREIO_CA")
	if file == "" {
		return state.PeerCertificates[0].VerifyHostname(host)
	}
	ca, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("the lab's authority: %w", err)
	}
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	for _, cert := range state.PeerCertificates[1:] {
		others.AddCert(cert)
	}
	_, err = state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: others})
	return err
}
