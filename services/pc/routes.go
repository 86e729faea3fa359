package pc

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/dsn"
	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
	"correio/services/internal/problem"
	"correio/services/internal/sasl"
	"correio/services/pc/internal/mua"
	"correio/services/pc/internal/pop3c"
)

const (
	maxRequest    = 96 << 20 // octets of a request: the largest message in base64, and the rest
	maxRecipients = 1000
	// maxDialogue bounds one submission, and one fetch.
	maxDialogue = 10 * time.Minute
)

// SendRequest is the body of POST /send.
type SendRequest struct {
	From    string   `json:"from"`
	To      []string `json:"to"`
	Subject string   `json:"subject"`
	Body    string   `json:"body"`
	EML     []byte   `json:"eml"` // the whole message; Subject and Body are not used then
	// User and Password log in as somebody else than From.
	User     string `json:"user"`
	Password string `json:"password"`
	Auth     string `json:"auth"` // the mechanism; "" for the strongest
	// What the sender wants to hear (RFC 3461), as people write it: Notify
	// "never" or a list of success, failure, delay; Ret "full" or "hdrs".
	Notify string `json:"notify"`
	Ret    string `json:"ret"`
	EnvID  string `json:"envid"`
}

// FetchRequest is the body of POST /fetch.
type FetchRequest struct {
	User     string       `json:"user"`     // name or address of one of the organisation's people
	Password string       `json:"password"` // "" for their own
	Auth     string       `json:"auth"`     // the mechanism, "user" for USER and PASS; "" for the strongest
	TLS      mua.Security `json:"tls"`      // "" means none
	Keep     bool         `json:"keep"`
	UIDL     string       `json:"uidl"` // only that message
}

func (n *Node) send(w http.ResponseWriter, r *http.Request) {
	m, user, err := n.submission(w, r)
	if err != nil {
		control.WriteProblem(w, http.StatusBadRequest, err)
		return
	}
	server, err := n.submissionServer()
	if err != nil {
		control.WriteProblem(w, http.StatusBadRequest, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxDialogue)
	defer cancel()
	control.WriteJSON(w, http.StatusOK, n.agent.Submit(ctx, server, user, m))
}

// submission reads from a request what to send and who sends it.
func (n *Node) submission(w http.ResponseWriter, r *http.Request) (m mua.Mail, user mua.User, err error) {
	var req SendRequest
	if err = decode(w, r, &req); err != nil {
		return m, user, err
	}
	if m, err = req.mail(); err != nil {
		return m, user, err
	}
	if user, err = n.sender(req, m.Letter.From); err == nil {
		user.Mechanism, err = mechanism(req.Auth, sasl.Mechanisms)
	}
	return m, user, err
}

// decode reads the JSON body of a request.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return problem.New(problem.BadRequest, err.Error())
	}
	return nil
}

// mail reads the addresses of a request.
func (req SendRequest) mail() (mua.Mail, error) {
	m := mua.Mail{Letter: mua.Letter{Subject: req.Subject, Body: req.Body}, EML: req.EML}
	var err error
	if m.Letter.From, err = mailaddr.Parse(req.From); err != nil {
		return m, problem.New(problem.NotAMailAddress, "from", strconv.Quote(req.From))
	}
	switch {
	case len(req.To) == 0:
		return m, problem.New(problem.NoRecipient)
	case len(req.To) > maxRecipients:
		return m, problem.New(problem.TooManyRecipients, strconv.Itoa(maxRecipients))
	}
	for _, s := range req.To {
		to, err := mailaddr.Parse(s)
		if err != nil {
			return m, problem.New(problem.NotAMailAddress, "to", strconv.Quote(s))
		}
		m.Letter.To = append(m.Letter.To, to)
	}
	m.Reports, err = req.reports()
	return m, err
}

// reports reads what the sender wants to hear.
func (req SendRequest) reports() (r mua.Reports, err error) {
	for _, f := range []struct {
		name, given string
		read        func(string) (string, bool)
		into        *string
	}{
		{"notify", req.Notify, dsn.Notify, &r.Notify}, {"ret", req.Ret, dsn.Ret, &r.Ret}, {"envid", req.EnvID, dsn.EncodeEnvID, &r.EnvID},
	} {
		if f.given == "" {
			continue
		}
		value, ok := f.read(f.given)
		if !ok {
			return r, problem.New(problem.BadValue, f.name, strconv.Quote(f.given))
		}
		*f.into = value
	}
	return r, nil
}

// sender is who logs in to send: the person whom the address means, unless the
// request names another.
func (n *Node) sender(req SendRequest, from mailaddr.Address) (mua.User, error) {
	if req.User != "" {
		return n.user(req.User, req.Password)
	}
	if !n.env.Org.Local(from.Domain) {
		return mua.User{}, problem.New(problem.NotOfThisSite, req.From, n.env.Org.Domain)
	}
	return n.user(from.Local, req.Password)
}

// user is who logs in as name, with the person's own password unless another
// is given.
func (n *Node) user(name, password string) (mua.User, error) {
	if strings.ContainsFunc(name+password, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return mua.User{}, problem.New(problem.BadName)
	}
	if password != "" {
		return mua.User{Name: name, Password: password}, nil
	}
	local, domain, full := strings.Cut(name, "@")
	p, ok := n.env.Org.Person(local)
	if !ok || full && !n.env.Org.Local(domain) {
		return mua.User{}, problem.New(problem.NoSuchPerson, strconv.Quote(name), n.env.Org.Domain)
	}
	if p.Name != mailaddr.Fold(local) {
		name = p.Name // an alias has no password of its own
	}
	return mua.User{Name: name, Password: p.Password}, nil
}

// mechanism reads the name of a mechanism, in any case.
func mechanism(given string, known []string) (string, error) {
	name := strings.ToUpper(given)
	if name != "" && !slices.Contains(known, name) {
		return "", problem.New(problem.OneOf, "auth", strconv.Quote(given), strings.Join(known, ", "))
	}
	return name, nil
}

// submissionServer is the organisation's first MTA that is not only a backup.
func (n *Node) submissionServer() (mua.Server, error) {
	for _, h := range n.env.Org.ByRole(lab.RoleMTA) {
		if !h.Backup {
			return mua.Server{Name: h.Name, Addr: n.env.AddrOf(h)}, nil
		}
	}
	return mua.Server{}, problem.New(problem.NoMTA, n.env.Org.Title)
}

func (n *Node) fetch(w http.ResponseWriter, r *http.Request) {
	order, user, err := n.order(w, r)
	if err != nil {
		control.WriteProblem(w, http.StatusBadRequest, err)
		return
	}
	server, err := n.mailboxServer()
	if err != nil {
		control.WriteProblem(w, http.StatusBadRequest, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxDialogue)
	defer cancel()
	control.WriteJSON(w, http.StatusOK, n.agent.Fetch(ctx, server, user, order))
}

// order reads from a request what to fetch and whose it is.
func (n *Node) order(w http.ResponseWriter, r *http.Request) (o mua.Order, user mua.User, err error) {
	var req FetchRequest
	if err = decode(w, r, &req); err != nil {
		return o, user, err
	}
	if err = req.check(); err != nil {
		return o, user, err
	}
	if user, err = n.user(req.User, req.Password); err == nil {
		user.Mechanism, err = mechanism(req.Auth, append([]string{pop3c.User}, sasl.Mechanisms...))
	}
	return mua.Order{Security: req.TLS, Keep: req.Keep, UID: req.UIDL}, user, err
}

func (req *FetchRequest) check() error {
	switch req.TLS {
	case "":
		req.TLS = mua.InClear
	case mua.InClear, mua.STARTTLS, mua.TLS:
	default:
		return problem.New(problem.OneOf, "tls", strconv.Quote(string(req.TLS)), "none, starttls, tls")
	}
	if req.User == "" {
		return problem.New(problem.BadValue, "user", `""`)
	}
	return nil
}

func (n *Node) mailboxServer() (mua.Server, error) {
	for _, h := range n.env.Org.ByRole(lab.RoleMDA) {
		return mua.Server{Name: h.Name, Addr: n.env.AddrOf(h)}, nil
	}
	return mua.Server{}, problem.New(problem.NoMDA, n.env.Org.Title)
}

// PeopleAnswer is the answer of GET /people: names to log in by, in the order of
// org.yaml. Passwords stay here.
type PeopleAnswer struct {
	People []string `json:"people"`
}

func (n *Node) people(w http.ResponseWriter, _ *http.Request) {
	answer := PeopleAnswer{People: []string{}}
	for _, p := range n.env.Org.People {
		answer.People = append(answer.People, p.Name)
	}
	control.WriteJSON(w, http.StatusOK, answer)
}
