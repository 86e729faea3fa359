package problem_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"correio/services/internal/problem"
	"correio/services/internal/text"
)

func TestEveryCodeSpeaksBothLanguagesOfAllItsArguments(t *testing.T) {
	for _, code := range problem.Codes() {
		p := problem.New(code)
		for i := range problem.Params(code) {
			p.Args = append(p.Args, "arg"+strconv.Itoa(i))
		}
		en, pt := p.In(text.English), p.In(text.Portuguese)
		for _, arg := range p.Args {
			if !strings.Contains(en, arg) || !strings.Contains(pt, arg) {
				t.Errorf("%s lacks %s: %q, %q", code, arg, en, pt)
			}
		}
		if en == pt || strings.Contains(en+pt, "%") || !p.Known() {
			t.Errorf("%s: %q, %q", code, en, pt)
		}
	}
	if p := problem.New("of-a-newer-lab", "x"); p.Known() || p.Error() != "of-a-newer-lab" || p.About(0) != "x" || p.About(1) != "" {
		t.Errorf("an unknown code: %v", p)
	}
}

func TestConnectingReadsTheErrorOfTheConnection(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for err, want := range map[error]problem.Code{
		refused:                      problem.ConnectRefused,
		fmt.Errorf("x: %w", refused): problem.ConnectRefused,
		os.ErrDeadlineExceeded:       problem.ConnectTimeout,
		syscall.EHOSTUNREACH:         problem.ConnectNoWay,
		syscall.ECONNRESET:           problem.ConnectBroken,
		errors.New("cosmic rays"):    problem.ConnectFailed,
	} {
		p := problem.Connecting("mx1.boreal.test:25", err)
		if p.Code != want || p.About(0) != "mx1.boreal.test:25" {
			t.Errorf("Connecting(%v) = %+v, want %s", err, p, want)
		}
	}
	if got := problem.Connecting("x:1", errors.New("cosmic rays")).Error(); !strings.HasSuffix(got, ": cosmic rays") {
		t.Errorf("the error is lost: %q", got)
	}
}

func TestProblemsAreComparedByWhatTheySay(t *testing.T) {
	if err := fmt.Errorf("x: %w", problem.New(problem.Starting)); !errors.Is(err, problem.New(problem.Starting)) {
		t.Error("two that say the same differ")
	}
	if errors.Is(problem.New(problem.NoSuchNode, "a"), problem.New(problem.NoSuchNode, "b")) {
		t.Error("two about different nodes are the same")
	}
}
