package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/clock"
	"correio/services/internal/reply"
	"correio/services/mta/internal/schedule"
)

// site is a destination that answers or does not, with messages that live by
// the default schedule. Its attempt is what package deliver does, without hosts.
type site struct {
	policy schedule.Policy
	speed  clock.Speed
	takes  time.Duration // one attempt, in the lab's time

	mu      sync.Mutex // guards what follows
	up      bool
	arrived map[string]time.Time
	tries   map[string]int
	noticed map[string]bool
	active  int
	most    int // attempts at a time since it was last reset
	lines   []string
	began   time.Time
}

func newSite(speed clock.Speed) *site {
	return &site{
		policy: schedule.Default(), speed: speed, began: time.Now(),
		arrived: map[string]time.Time{}, tries: map[string]int{}, noticed: map[string]bool{},
	}
}

func (s *site) config() Config {
	return Config{
		Attempt: s.attempt, Notice: s.speed.Real(s.policy.Notice), Life: s.speed.Real(s.policy.Life),
		Pause: func(n int) time.Duration { return s.speed.Real(s.policy.Probe(n)) },
		Changed: func(d Destination) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.say("%s dead=%t", d.Domain, d.Dead)
		},
	}
}

// say writes a line with the lab's time. The caller holds mu.
func (s *site) say(format string, args ...any) {
	s.lines = append(s.lines, s.speed.Lab(time.Since(s.began)).Round(time.Second).String()+" "+fmt.Sprintf(format, args...))
}

func (s *site) attempt(_ context.Context, j Job) Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := s.speed.Lab(time.Since(s.arrived[j.ID]))
	word := "tried"
	if !j.Overdue {
		s.active++
		s.most = max(s.most, s.active)
		takes := s.speed.Real(s.takes)
		s.mu.Unlock()
		time.Sleep(takes)
		s.mu.Lock()
		s.active--
		s.tries[j.ID]++
	} else {
		word = "overdue (" + j.Dead.Why.String() + ")"
	}
	if (s.up || j.Domain != "x") && !j.Overdue {
		s.say("%s delivered", j.ID)
		return Result{Reach: Reached}
	}
	wait, again := s.policy.Wait(s.tries[j.ID], age, 0)
	if late := s.policy.Late(age); late && !s.noticed[j.ID] {
		s.noticed[j.ID] = true
		word += ", notice"
	}
	if !again {
		word += ", given back"
	}
	s.say("%s %s", j.ID, word)
	return Result{
		Next: time.Now().Add(s.speed.Real(wait)), Again: again, Noticed: s.noticed[j.ID], Reach: Unreached,
		Why: reply.New(451, "4.4.1", "Nobody there"),
	}
}

func (s *site) add(q *Queue, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var jobs []Job
	for _, id := range ids {
		s.arrived[id] = time.Now()
		jobs = append(jobs, Job{ID: id, Domain: "x", Arrived: time.Now(), Fresh: true})
	}
	q.Add(jobs...)
}

func (s *site) set(up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up, s.most = up, 0
}

// told returns the lines that contain a part, without it.
func (s *site) told(part string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, line := range s.lines {
		if at := strings.Index(line, part); at >= 0 {
			list = append(list, line[:at])
		}
	}
	return list
}

func (s *site) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

func (s *site) count() (attempts, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.tries {
		attempts += n
	}
	return attempts, s.most
}

// playing runs a queue for a site in a synctest bubble.
func playing(t *testing.T, speed clock.Speed, body func(t *testing.T, s *site, q *Queue)) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(speed)
		q := New(s.config())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); q.Run(ctx) }()
		body(t, s, q)
		cancel()
		<-done
	})
}

func ids(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("m%05d", i)
	}
	return list
}

func TestDeadDestinationIsProbedByOneAtATime(t *testing.T) {
	playing(t, 1, func(t *testing.T, s *site, q *Queue) {
		s.takes = 2 * time.Second
		s.add(q, ids(1000)...)
		time.Sleep(3 * time.Second)
		if n, most := s.count(); n != 5 || most != 5 {
			t.Errorf("the first window is %d attempts, %d at a time; want 5", n, most)
		}
		s.set(false)
		time.Sleep(time.Hour - 3*time.Second)
		// 5, 10, 20, 40 s, then a minute, and 2 s for each attempt.
		n, most := s.count()
		if n != 5+4+56 || most != 1 {
			t.Errorf("%d attempts in an hour, %d at a time", n, most)
		}
	})
}

func TestWhenAProbeSucceedsAllThatWaitedIsReadyOldestFirst(t *testing.T) {
	playing(t, 1, func(t *testing.T, s *site, q *Queue) {
		s.add(q, ids(20)...)
		time.Sleep(10 * time.Minute)
		s.add(q, "young")
		s.set(true)
		s.mu.Lock()
		s.takes = time.Second
		s.mu.Unlock()
		time.Sleep(time.Minute)
		got := s.told(" delivered")
		if len(got) != 21 {
			t.Fatalf("%d delivered: %v", len(got), got)
		}
		begin, _, _ := strings.Cut(got[0], " ")
		from, err := time.ParseDuration(begin)
		if err != nil || from < 10*time.Minute || from > 11*time.Minute {
			t.Errorf("the probe got through after %s", begin)
		}
		// One, then a first window, then somewhat more each second.
		want := map[time.Duration]int{0: 1, time.Second: 5, 2 * time.Second: 5, 3 * time.Second: 6, 4 * time.Second: 4}
		waves := map[time.Duration]int{}
		for _, line := range got {
			at, _, _ := strings.Cut(line, " ")
			when, _ := time.ParseDuration(at)
			waves[when-from]++
		}
		if d := cmp.Diff(want, waves); d != "" || !strings.Contains(strings.Join(got[17:], ","), "young") {
			t.Errorf("%v: (-want +got)\n%s", got, d)
		}
		if d := q.Dead(); len(d) != 0 {
			t.Errorf("dead: %v", d)
		}
	})
}

func TestParkedMessagesGetTheirNoticeAndTheirEndInTime(t *testing.T) {
	playing(t, 1, func(t *testing.T, s *site, q *Queue) {
		s.add(q, ids(300)...)
		time.Sleep(time.Hour)
		s.add(q, "late")
		time.Sleep(6 * 24 * time.Hour)
		notices, ends := map[string]string{}, map[string]string{}
		for _, line := range s.told(", notice") {
			at, id, _ := strings.Cut(line, " ")
			notices[id[:min(6, len(id))]] = at
		}
		for _, line := range s.told(", given back") {
			at, id, _ := strings.Cut(line, " ")
			ends[strings.Fields(id)[0]] = at
		}
		if len(notices) != 301 || len(ends) != 301 {
			t.Fatalf("%d notices, %d ends", len(notices), len(ends))
		}
		for id, end := range ends {
			want := 120 * time.Hour
			if id == "late" {
				want += time.Hour
			}
			if at, err := time.ParseDuration(end); err != nil || at < want || at > want+time.Second {
				t.Errorf("%s is given back after %s, want %s", id, end, want)
			}
		}
		for id, notice := range notices {
			// Whose own attempt falls due at that time hears at the latest with it.
			at, err := time.ParseDuration(notice)
			if err != nil || at < 4*time.Hour || at > 6*time.Hour+5*time.Minute {
				t.Errorf("%s has its notice after %s", id, notice)
			}
		}
		if len(q.Dead()) != 0 {
			t.Errorf("dead without mail: %v", q.Dead())
		}
	})
}

// At another speed the same happens in the same order.
func TestDeadDestinationIsTheSameAtAnySpeed(t *testing.T) {
	lives := map[clock.Speed][]string{}
	for _, speed := range []clock.Speed{1, 60, 3600} {
		playing(t, speed, func(t *testing.T, s *site, q *Queue) {
			s.takes = 300 * time.Millisecond // so that no two fall due together
			for i := range 40 {
				s.add(q, fmt.Sprintf("m%02d", i))
				time.Sleep(speed.Real(7*time.Minute + 137*time.Millisecond))
			}
			time.Sleep(speed.Real(130 * time.Hour))
			lives[speed] = s.all()
			if n := len(s.told("given back")); n != 40 {
				t.Errorf("speed %v: %d given back", speed, n)
			}
			if n := len(s.told("notice")); n != 40 {
				t.Errorf("speed %v: %d notices", speed, n)
			}
		})
	}
	for _, speed := range []clock.Speed{60, 3600} {
		if d := cmp.Diff(words(lives[1]), words(lives[speed])); d != "" {
			t.Errorf("speed %v (-at 1 +there)\n%s", speed, d)
		}
	}
	t.Logf("%d lines", len(lives[1]))
}

func words(lines []string) []string {
	var list []string
	for _, line := range lines {
		_, what, _ := strings.Cut(line, " ")
		list = append(list, what)
	}
	return list
}

// A hundred thousand messages for a dead destination are as good as none for
// the others, in time and in turns.
func TestMailToOthersIsStartedAtOnceBesideAHundredThousandForTheDead(t *testing.T) {
	playing(t, 1, func(t *testing.T, s *site, q *Queue) {
		s.add(q, ids(100_000)...)
		time.Sleep(time.Hour)
		before, _ := s.count()
		for range 50 {
			added := time.Now()
			q.Add(Job{ID: "other", Domain: "y", Arrived: added})
			synctest.Wait()
			if time.Since(added) != 0 {
				t.Fatalf("it took %s", time.Since(added))
			}
			time.Sleep(time.Second)
		}
		if n := len(s.told("other delivered")); n != 50 {
			t.Errorf("%d of 50 delivered", n)
		}
		if after, _ := s.count(); after-before > 51 {
			t.Errorf("meanwhile the dead destination was tried %d times", after-before-50)
		}
	})
}

// Notices for thousands of parked messages fall due together, and must not keep
// the mail of others waiting for a place.
func TestOverdueJobsTakeTurnsWithOtherDestinations(t *testing.T) {
	policy := schedule.Default()
	var l log
	cfg := Config{Workers: 2, Notice: policy.Notice, Life: policy.Life, Pause: policy.Probe, Attempt: func(_ context.Context, j Job) Result {
		time.Sleep(time.Second)
		l.add("%s", j.Domain)
		if j.Domain == "y" {
			return Result{Reach: Reached}
		}
		return Result{Again: true, Noticed: j.Overdue || j.Noticed, Next: time.Now().Add(time.Hour), Reach: Unreached}
	}}
	running(t, cfg, func(t *testing.T, q *Queue) {
		for _, id := range ids(1000) {
			q.Add(Job{ID: id, Domain: "x", Arrived: time.Now()})
		}
		time.Sleep(4*time.Hour + time.Second + time.Second/2)
		from := len(l.all())
		q.Add(Job{ID: "a", Domain: "y", Arrived: time.Now()}, Job{ID: "b", Domain: "y", Arrived: time.Now()})
		time.Sleep(5 * time.Second)
		if got := l.all()[from:]; strings.Count(strings.Join(got, ""), "y") != 2 || len(got) < 8 {
			t.Errorf("in five seconds: %v", got)
		}
	})
}
