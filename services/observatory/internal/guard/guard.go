// Package guard keeps other people's web pages away from the lab.
//
// The page is on the user's loopback, where any web site that the user visits
// can send requests to. So a request must name a host that is ours (a foreign
// name that was made to resolve to 127.0.0.1 is not), what changes anything
// must carry a header that a foreign page cannot send without asking first, and
// nothing grants such a page leave to read an answer. Every answer forbids the
// browser to load anything that did not come from here, or to run anything that
// is not a file of ours.
package guard

import (
	"net"
	"net/http"
	"strings"

	"correio/services/internal/control"
	"correio/services/internal/problem"
)

// Header must be on every request that is not GET or HEAD, with any value.
const Header = "X-Correio"

// policy lets the page load its own files and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// own are the names by which a machine calls itself.
var own = []string{"localhost", "127.0.0.1", "::1"}

// New returns a handler that lets requests through to next which name one of
// the hosts (names or addresses, without a port) or the machine itself.
func New(hosts []string, next http.Handler) http.Handler {
	allowed := map[string]bool{}
	for _, h := range append(hosts, own...) {
		allowed[hostOf(h)] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		switch {
		case !allowed[hostOf(r.Host)]:
			// RFC 9110 §15.5.20: not the server for this name.
			control.WriteProblem(w, http.StatusMisdirectedRequest, problem.New(problem.OtherName, printable(r.Host)))
		case changes(r) && r.Header.Get(Header) == "":
			control.WriteProblem(w, http.StatusForbidden, problem.New(problem.HeaderMissing, Header))
		case forScripts(r.URL.Path) && foreign(r):
			control.WriteProblem(w, http.StatusForbidden, problem.New(problem.OtherSite))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// changes reports whether a method may change anything (RFC 9110 §9.2.1).
func changes(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// forScripts reports whether a path is for programs and for the page's own
// script, and for nobody to follow a link to.
func forScripts(path string) bool {
	return strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/live/")
}

// foreign reports whether a browser says that another site's page sends the
// request. Programs do not send these headers.
func foreign(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// hostOf is the host of a Host header: without port, brackets and final dot,
// in lower case.
func hostOf(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	return strings.ToLower(strings.TrimSuffix(s, "."))
}

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

func printable(s string) string {
	s = s[:min(len(s), 100)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
