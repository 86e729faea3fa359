package page

import (
	"net/http"
	"strconv"
	"strings"

	"correio/services/internal/text"
)

const (
	languageName = "lang" // of the parameter and of the cookie
	oneYear      = 365 * 24 * 60 * 60
)

// choose returns the language of a request: ?lang=, which a cookie then
// remembers, the cookie, or what the browser prefers.
func choose(w http.ResponseWriter, r *http.Request) text.Lang {
	if v := r.URL.Query().Get(languageName); v != "" {
		lang := text.Parse(v)
		http.SetCookie(w, &http.Cookie{
			Name: languageName, Value: string(lang), Path: "/", MaxAge: oneYear, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
		return lang
	}
	if c, err := r.Cookie(languageName); err == nil {
		return text.Parse(c.Value)
	}
	return preferred(r.Header.Get("Accept-Language"))
}

// preferred returns the language of the lab that an Accept-Language header
// likes best; English when it names neither (RFC 9110 §12.5.4).
func preferred(header string) text.Lang {
	best, weight := text.English, 0.0
	for item := range strings.SplitSeq(header, ",") {
		tag, parameter, _ := strings.Cut(item, ";")
		tag = strings.ToLower(strings.TrimSpace(tag))
		primary, _, _ := strings.Cut(tag, "-")
		if primary != "pt" && primary != "en" {
			continue
		}
		// RFC 9110 §12.4.2: no weight means 1, 0 means not acceptable.
		q := 1.0
		if value, ok := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(parameter), " ", ""), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(value, 64); err != nil || !(q >= 0 && q <= 1) {
				continue
			}
		}
		if q > weight {
			best, weight = text.Parse(tag), q
		}
	}
	return best
}
