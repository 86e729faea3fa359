package guard_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"correio/services/observatory/internal/guard"
)

func TestWhoMayAsk(t *testing.T) {
	handler := guard.New([]string{"observatory.nic.test", "fd00::80"}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	const yes, misdirected, no = http.StatusNoContent, http.StatusMisdirectedRequest, http.StatusForbidden
	tests := []struct {
		name, method, host, path string
		header                   http.Header
		want                     int
	}{
		{"the machine by name", "GET", "localhost:8080", "/", nil, yes},
		{"by name, in capitals and with a final dot", "GET", "LOCALHOST.:8080", "/", nil, yes},
		{"by address", "GET", "127.0.0.1", "/", nil, yes},
		{"by IPv6 address", "GET", "[::1]:8080", "/", nil, yes},
		{"by IPv6 address without a port", "GET", "[::1]", "/", nil, yes},
		{"a name that was allowed", "GET", "observatory.nic.test:8080", "/", nil, yes},
		{"an IPv6 address that was allowed", "GET", "[fd00::80]:1", "/", nil, yes},
		{"a foreign name that resolves to us", "GET", "evil.example:8080", "/", nil, misdirected},
		{"a name that begins as ours", "GET", "localhost.evil.example", "/", nil, misdirected},
		{"a name that ends as ours", "GET", "evil.localhost", "/", nil, misdirected},
		{"another address", "GET", "10.0.0.1", "/", nil, misdirected},
		{"no name", "GET", "", "/", nil, misdirected},
		{"a change without the header", "POST", "localhost", "/api/v1/x", nil, no},
		{"a change with it", "POST", "localhost", "/api/v1/x", http.Header{guard.Header: {"1"}}, yes},
		{"a removal without the header", "DELETE", "localhost", "/api/v1/x", nil, no},
		{"a preflight of a foreign page", "OPTIONS", "localhost", "/api/v1/x", nil, no},
		{"a look without the header", "HEAD", "localhost", "/api/v1/x", nil, yes},
		{"a foreign page reads the API", "GET", "localhost", "/api/v1/x", http.Header{"Sec-Fetch-Site": {"cross-site"}}, no},
		{"a page on another port reads the API", "GET", "localhost", "/api/v1/x", http.Header{"Sec-Fetch-Site": {"same-site"}}, no},
		{"a foreign page watches the records", "GET", "localhost", "/live/records", http.Header{"Sec-Fetch-Site": {"cross-site"}}, no},
		{"our page reads the API", "GET", "localhost", "/api/v1/x", http.Header{"Sec-Fetch-Site": {"same-origin"}}, yes},
		{"a foreign page links to ours", "GET", "localhost", "/m/x", http.Header{"Sec-Fetch-Site": {"cross-site"}}, yes},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "http://placeholder"+tt.path, nil)
			r.Host = tt.host
			for k, v := range tt.header {
				r.Header[http.CanonicalHeaderKey(k)] = v
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("%s %s to %q = %d, want %d", tt.method, tt.path, tt.host, w.Code, tt.want)
			}
			h := w.Header()
			if csp := h.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; ") || strings.Contains(csp, "unsafe") {
				t.Errorf("Content-Security-Policy = %q", csp)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("headers = %v", h)
			}
		})
	}
}
