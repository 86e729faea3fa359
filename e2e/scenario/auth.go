package scenario

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"net"
	"strconv"
	"strings"
	"testing"
)

// everyMechanism submits by each mechanism of AUTH, line by line over STARTTLS,
// and logs in to POP3 by those that it has. The mechanisms are written out here
// from their RFCs.
func everyMechanism(t *testing.T, p *player) {
	for i, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"} {
		t.Run(mechanism, func(t *testing.T) {
			p := &player{t: t, lab: p.lab}
			org := orgs[i%len(orgs)]
			mark := "auth-" + strings.ToLower(mechanism) + "-" + rand.Text()
			k := p.submission(org)
			k.authenticate(mechanism, org.People[0], "wrong", "334 ", "535 5.7.8 ")
			k.authenticate(mechanism, "nobody", "wrong", "334 ", "535 5.7.8 ")
			k.authenticate(mechanism, org.People[0], org.People[0], "334 ", "235 2.7.0 ")
			k.Say("AUTH "+mechanism, "503 5.5.1 ")
			k.Say("MAIL FROM:<"+org.People[1]+"@"+org.Domain+">", "553 5.7.1 ")
			k.Say("MAIL FROM:<"+org.People[0]+"@"+org.Domain+">", "250 ")
			k.Say("RCPT TO:<bruno@boreal.test>", "250 ")
			k.Say("DATA", "354 ")
			k.Say("Subject: "+mark+"\r\n\r\nby hand\r\n.", "250 ")
			k.Say("QUIT", "221 ")
			k.Closed()
			p.find(boreal, "bruno", mark, i%2 == 0)
			if mechanism == "LOGIN" {
				return // POP3 has USER and PASS for it
			}
			mda := NewTalk(t, p.dial(net.JoinHostPort(org.MDA, "110")))
			mda.Hear("+OK")
			mda.authenticate(mechanism, org.People[0], "wrong", "+ ", "-ERR [AUTH] ")
			mda.authenticate(mechanism, org.People[0], org.People[0], "+ ", "+OK")
			mda.Say("STAT", "+OK ")
			mda.Say("QUIT", "+OK")
			mda.Closed()
		})
	}
}

// submission opens a conversation on port 587 of an organisation up to where
// AUTH may come, and sees that it may not come earlier.
func (p *player) submission(org Org) *Talk {
	p.t.Helper()
	c := p.dial(net.JoinHostPort(mxAddr["mx1."+org.Domain], "587"))
	k := NewTalk(p.t, c)
	k.Hear("220 ")
	if offer := k.Say("EHLO pc."+org.Domain, "250 "); strings.Contains(offer, "AUTH") {
		p.t.Errorf("AUTH is announced without TLS: %q", offer)
	}
	k.Say("AUTH PLAIN", "538 5.7.11 ")
	k.Say("STARTTLS", "220 ")
	// Whether the certificate is the lab's is tested elsewhere.
	k = NewTalk(p.t, tls.Client(c, &tls.Config{InsecureSkipVerify: true}))
	k.Say("AUTH PLAIN", "503 5.5.1 ") // RFC 3207 §4.2: EHLO comes first again
	if offer := k.Say("EHLO pc."+org.Domain, "250 "); !strings.Contains(offer, "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256\r\n") {
		p.t.Errorf("not all mechanisms are announced: %q", offer)
	}
	return k
}

// authenticate plays AUTH; more is what a challenge begins with, end is what
// the last reply must begin with.
func (k *Talk) authenticate(mechanism, user, password, more, end string) {
	k.t.Helper()
	switch mechanism {
	case "PLAIN":
		k.Say("AUTH PLAIN "+b64("\x00"+user+"\x00"+password), end)
	case "LOGIN":
		k.Say("AUTH LOGIN", more+b64("Username:"))
		k.Say(b64(user), more+b64("Password:"))
		k.Say(b64(password), end)
	case "CRAM-MD5": // RFC 2195
		challenge := k.challenge("AUTH CRAM-MD5", more)
		mac := hmac.New(md5.New, []byte(password))
		mac.Write([]byte(challenge))
		k.Say(b64(user+" "+hex.EncodeToString(mac.Sum(nil))), end)
	case "SCRAM-SHA-256":
		k.scram(user, password, more, end)
	}
}

// scram is RFC 5802 §3 with SHA-256 (RFC 7677).
func (k *Talk) scram(user, password, more, end string) {
	k.t.Helper()
	first := "n=" + user + ",r=" + rand.Text()
	serverFirst := k.challenge("AUTH SCRAM-SHA-256 "+b64("n,,"+first), more)
	fields := strings.Split(serverFirst, ",")
	if len(fields) != 3 || !strings.HasPrefix(fields[0], first[strings.Index(first, "r="):]) {
		k.t.Fatalf("server-first is %q", serverFirst)
	}
	salt, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(fields[1], "s="))
	count, countErr := strconv.Atoi(strings.TrimPrefix(fields[2], "i="))
	if err != nil || countErr != nil || count < 4096 {
		k.t.Fatalf("server-first is %q", serverFirst)
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, count, sha256.Size)
	if err != nil {
		k.t.Fatal(err)
	}
	clientKey := mac256(salted, "Client Key")
	storedKey := sha256.Sum256(clientKey)
	last := "c=biws," + fields[0]
	whole := first + "," + serverFirst + "," + last
	proof := make([]byte, sha256.Size)
	subtle.XORBytes(proof, clientKey, mac256(storedKey[:], whole))
	final := b64(last + ",p=" + base64.StdEncoding.EncodeToString(proof))
	if strings.HasPrefix(end, "5") || strings.HasPrefix(end, "-") {
		k.Say(final, end)
		return
	}
	want := "v=" + base64.StdEncoding.EncodeToString(mac256(mac256(salted, "Server Key"), whole))
	if got := k.challenge(final, more); got != want {
		k.t.Fatalf("the server proves itself by %q, want %q", got, want)
	}
	k.Say("", end)
}

// challenge types a line and decodes the challenge that answers it.
func (k *Talk) challenge(line, more string) string {
	k.t.Helper()
	text, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(strings.TrimPrefix(k.Say(line, more), more), "\r\n"))
	if err != nil {
		k.t.Fatal(err)
	}
	return string(text)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func mac256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
