package sasl

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// strict is Credentials that hold what they are asked to be fit for a path, a
// pattern or a record, and let nobody in.
type strict struct{ t *testing.T }

func (s strict) Secret(_ context.Context, user string) (Secret, error) {
	if user == "" || len(user) > maxString || !utf8.ValidString(user) || strings.ContainsFunc(user, unicode.IsControl) {
		s.t.Errorf("asked for %q", user)
	}
	return Secret{Account: "TIM", Password: "a password that is not in any corpus"}, nil
}

// fuzz plays two responses of anything at a mechanism: nobody gets in, and the
// exchange ends within its steps.
func fuzz(f *testing.F, mechanism string, seeds ...[2]string) {
	for _, seed := range seeds {
		f.Add([]byte(seed[0]), []byte(seed[1]), false)
		f.Add([]byte(seed[0]), []byte(seed[1]), true)
	}
	s := NewServer("mx1.aurora.test")
	f.Fuzz(func(t *testing.T, first, second []byte, ask bool) {
		x := s.Begin(mechanism, strict{t})
		responses := [][]byte{nil, first, second, {}, {}}
		if !ask {
			responses = responses[1:]
		}
		ended := false
		for _, response := range responses {
			challenge, done, err := x.Next(t.Context(), response)
			switch {
			case done || x.Who().Account != "":
				t.Fatalf("%q, %q got in", first, second)
			case ended && !errors.Is(err, errOver):
				t.Fatalf("%q, %q: went on behind the end: %v", first, second, err)
			case err != nil && !ended && !errors.Is(err, ErrRefused) && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrInitial):
				t.Fatalf("%q, %q: %v", first, second, err)
			case err == nil && (challenge == nil || len(challenge) > 2*maxResponse):
				t.Fatalf("%q, %q: challenge %q", first, second, challenge)
			}
			ended = err != nil
		}
		if !ended {
			t.Fatalf("%q, %q: no end", first, second)
		}
	})
}

func FuzzPlain(f *testing.F) {
	fuzz(f, Plain, [2]string{"\x00tim\x00tanstaaftanstaaf", ""}, [2]string{"Ursel\x00Kurt\x00xipj3plmq", "x"},
		[2]string{"\x00\x00\x00", ""}, [2]string{"", "\x00../*%\x00\xff"}, [2]string{"\x00\u200f\u05d0a\x00\u00ad", "\u2028"})
}

func FuzzLogin(f *testing.F) {
	fuzz(f, Login, [2]string{"tim", "tanstaaftanstaaf"}, [2]string{"", ""}, [2]string{"\x00", "\xff"}, [2]string{"ﬁ\u0301", "\ufdfa"})
}

func FuzzCRAMMD5(f *testing.F) {
	fuzz(f, CRAMMD5, [2]string{"tim b913a602c7eda7a495b4e6e7334d3890", ""}, [2]string{" b913a602c7eda7a495b4e6e7334d3890", "x"},
		[2]string{"a b c B913A602C7EDA7A495B4E6E7334D3890", ""}, [2]string{"tim b913", "tim"})
}

func FuzzSCRAM(f *testing.F) {
	fuzz(f, SCRAMSHA256,
		[2]string{"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "c=biws,r=rOprNGfwEbeRWgbNEkqO,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="},
		[2]string{"y,a=tim,n=t=2Cim,r=x", "c=eSws,r=x,m=y,p=AA=="}, [2]string{"p=tls-unique,,n=,r=", "v=x"},
		[2]string{"n,,n==3D,r=,x=y", ",,,"}, [2]string{"n,a==2,n=a,r=b", ""})
}
