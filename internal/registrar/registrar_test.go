package registrar_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"remora/internal/await"
	"remora/internal/consul"
	"remora/internal/registrar"
	"remora/internal/service"
)

// fake is an agent in the time of a synctest bubble.
type fake struct {
	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, by every change
	has     *service.Instance
	version int

	err    error                   // what every call answers, if set
	refuse error                   // what registrations answer, if set
	twist  func(*service.Instance) // what somebody else makes of each registration

	began   time.Time
	writes  []time.Duration // when registrations came, since began
	anew    int             // how many of them were to replace
	lookUps int
}

func newFake() *fake {
	return &fake{changed: make(chan struct{}), began: time.Now()}
}

func (f *fake) Register(_ context.Context, i service.Instance) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes = append(f.writes, time.Since(f.began))
	if err := errors.Join(f.err, f.refuse); err != nil {
		return err
	}
	if f.twist != nil {
		f.twist(&i)
	}
	f.change(&i)
	return nil
}

func (f *fake) Replace(ctx context.Context, i service.Instance) error {
	f.do(func() { f.anew++ })
	return f.Register(ctx, i)
}

// change sets what the agent has; the caller holds the lock.
func (f *fake) change(i *service.Instance) {
	f.has, f.version = i, f.version+1
	close(f.changed)
	f.changed = make(chan struct{})
}

// set is what somebody else does to the registration.
func (f *fake) set(i *service.Instance) { f.do(func() { f.change(i) }) }

// do does something under the lock.
func (f *fake) do(something func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	something()
}

func (f *fake) Registered(ctx context.Context, id, hash string, wait time.Duration) (consul.Registered, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lookUps++
	if f.err == nil && hash == fmt.Sprint(f.version) {
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-time.After(wait):
		case <-ctx.Done():
		}
		f.mu.Lock()
	}
	switch {
	case ctx.Err() != nil:
		return consul.Registered{}, ctx.Err()
	case f.err != nil:
		return consul.Registered{}, f.err
	case f.has == nil || f.has.ID != id:
		return consul.Registered{}, fmt.Errorf("look up service %q: %w", id, consul.ErrNotFound)
	}
	return consul.Registered{
		Service: api.AgentService{Service: f.has.Name, Port: f.has.Port, Tags: f.has.Tags},
		Hash:    fmt.Sprint(f.version),
	}, nil
}

// times tells when registrations came.
func (f *fake) times() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.writes)
}

func (f *fake) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lookUps
}

func web() service.Instance { return service.Instance{ID: "web-1", Name: "web", Port: 80} }

func other() *service.Instance {
	i := web()
	i.Tags = []string{"other"}
	return &i
}

// subject is a registrar of web on a fake, within a bubble.
type subject struct {
	*registrar.Registrar
	agent *fake
	log   *await.Log
}

func inBubble(t *testing.T, test func(t *testing.T, s subject)) {
	synctest.Test(t, func(t *testing.T) {
		agent, log := newFake(), await.NewLog(t)
		test(t, subject{&registrar.Registrar{Agent: agent, Log: log.Logger(), Desired: web}, agent, log})
	})
}

// keep runs Keep until the end of the test.
func (s subject) keep(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Keep(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
}

// after lets time pass, and everything happen that it brings.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (s subject) mustHaveLogged(t *testing.T, count int, words ...string) {
	t.Helper()
	if got := s.log.Count(words...); got != count {
		t.Errorf("%d lines with %q are logged, want %d", got, words, count)
	}
}

var errAway = errors.New("connection refused")

func TestOnceTriesAgainWithGrowingPauses(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.agent.do(func() { s.agent.err = errAway })
		done := make(chan error)
		go func() { done <- s.Once(t.Context()) }()
		after(30 * time.Second)
		pauses := differences(s.agent.times())
		for n, least := range []time.Duration{50, 100, 200, 400, 500, 500, 500} {
			least *= time.Millisecond
			if pauses[n] < least || pauses[n] > 2*least {
				t.Errorf("pause %d is %s, want %s to %s", n, pauses[n], least, 2*least)
			}
		}
		s.agent.do(func() { s.agent.err = nil })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		tries := len(s.agent.times())
		if s.agent.anew != tries {
			t.Errorf("%d of %d registrations were anew, want all", s.agent.anew, tries)
		}
		s.mustHaveLogged(t, (tries-2)/10+1, "level=WARN", "registration failed; trying again", "connection refused")
		s.mustHaveLogged(t, 1, "failures=1\n")
		s.mustHaveLogged(t, 1, "failures=11\n")
		s.mustHaveLogged(t, 1, "registration works again", fmt.Sprintf("failures=%d", tries-1))
		s.mustHaveLogged(t, 1, "level=INFO", "service registered", "service=web id=web-1 address=:80")
	})
}

func differences(times []time.Duration) []time.Duration {
	var all []time.Duration
	for n := 1; n < len(times); n++ {
		all = append(all, times[n]-times[n-1])
	}
	return all
}

func TestOnceEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.agent.do(func() { s.agent.err = errAway })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Once(ctx); !errors.Is(err, errAway) {
			t.Errorf("error %v, want the last one of the agent", err)
		}
		if took := time.Since(s.agent.began); took != time.Minute {
			t.Errorf("returned after %s, want 1m", took)
		}
	})
}

func TestWhatCannotHelpIsNotTriedAgain(t *testing.T) {
	for _, lasting := range []error{consul.ErrRefused, consul.ErrNoAddress} {
		inBubble(t, func(t *testing.T, s subject) {
			s.agent.do(func() { s.agent.refuse = fmt.Errorf("register: %w", lasting) })
			if err := s.Once(t.Context()); !errors.Is(err, lasting) {
				t.Errorf("error %v, want %v", err, lasting)
			}
			if n := len(s.agent.times()); n != 1 {
				t.Errorf("%d tries, want 1", n)
			}
		})
	}
}

func TestNothingIsWrittenWhileAllIsWell(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		i := web()
		s.agent.set(&i)
		s.keep(t)
		after(24 * time.Hour)
		if n := len(s.agent.times()); n > 0 {
			t.Errorf("%d registrations in a day, want none", n)
		}
		if most := 24*60*2 + 2; s.agent.asked() > most {
			t.Errorf("%d look-ups in a day, want at most %d", s.agent.asked(), most)
		}
		if s.log.String() != "" {
			t.Error("something is logged, want nothing")
		}
	})
}

func TestLostRegistrationIsBackAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.keep(t)
		for n := 1; n <= 3; n++ {
			if got := len(s.agent.times()); got != n {
				t.Fatalf("%d registrations, want %d without any time passing", got, n)
			}
			s.agent.set(nil)
			synctest.Wait()
		}
		if s.agent.anew > 0 {
			t.Error("a kept instance was registered as one that begins anew")
		}
		s.mustHaveLogged(t, 0, "level=WARN")
	})
}

func TestAnotherFormIsCorrectedAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.agent.set(other())
		s.keep(t)
		if n := len(s.agent.times()); n != 1 {
			t.Errorf("%d registrations, want 1", n)
		}
	})
}

func TestTwoThatOwnOneIDDoNotFightAtFullSpeed(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.agent.do(func() { s.agent.twist = func(i *service.Instance) { i.Tags = []string{"other"} } })
		s.keep(t)
		after(time.Minute)
		if n := len(s.agent.times()); n < 40 || n > 130 {
			t.Errorf("%d registrations in a minute, want one every half to whole second", n)
		}
		s.mustHaveLogged(t, 0, "registration works again")
		if n := s.log.Count("another form"); n > 12 {
			t.Errorf("%d warnings in a minute, want the first and every tenth", n)
		}
		s.agent.do(func() { s.agent.twist = nil })
		after(5 * time.Second)
		s.mustHaveLogged(t, 1, "registration works again")
	})
}

// An ID that the agent accepts but does not find again, or somebody who removes
// the instance as soon as it is there.
func TestRegistrationThatVanishesAgainIsNotRepeatedAtFullSpeed(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.agent.do(func() { s.agent.twist = func(i *service.Instance) { i.ID = "lost" } })
		s.keep(t)
		after(time.Minute)
		if n := len(s.agent.times()); n < 40 || n > 130 {
			t.Errorf("%d registrations in a minute, want one every half to whole second", n)
		}
		s.mustHaveLogged(t, 1, "level=WARN", "not known to the agent", "failures=1\n")
	})
}

func TestOnlyMissingLeavesAnotherFormAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.OnlyMissing = true
		s.agent.set(other())
		s.keep(t)
		after(time.Hour)
		if n := len(s.agent.times()); n > 0 {
			t.Errorf("%d registrations over another form, want none", n)
		}
		s.agent.set(nil)
		after(900 * time.Millisecond)
		if n := len(s.agent.times()); n != 0 {
			t.Errorf("%d registrations before those with the other form had their turn", n)
		}
		after(200 * time.Millisecond)
		if n := len(s.agent.times()); n != 1 {
			t.Errorf("%d registrations of a missing instance, want 1", n)
		}
	})
}

func TestAgentThatComesBackIsLookedAtAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.agent.do(func() { s.agent.err = errAway })
		s.keep(t)
		after(10 * time.Minute)
		if n := len(s.agent.times()); n > 0 {
			t.Errorf("%d registrations at an agent that is away, want none", n)
		}
		s.mustHaveLogged(t, (s.agent.asked()+9)/10, "level=WARN", "trying again")
		s.agent.do(func() { s.agent.err = nil })
		after(2 * time.Second)
		if n := len(s.agent.times()); n != 1 {
			t.Errorf("%d registrations, want 1", n)
		}
		s.mustHaveLogged(t, 1, "registration works again")
	})
}

func TestFailedRegistrationIsTriedAgainNotTakenForOne(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.agent.do(func() { s.agent.refuse = errors.New("permission denied") })
		s.keep(t)
		after(10 * time.Second)
		tries := len(s.agent.times())
		if tries < 5 {
			t.Errorf("%d tries in 10s, want 5 or more", tries)
		}
		if asked := s.agent.asked(); asked != tries {
			t.Errorf("%d look-ups for %d tries, want one before each", asked, tries)
		}
		s.agent.do(func() { s.agent.refuse = nil })
		after(2 * time.Second)
		if n := len(s.agent.times()); n != tries+1 {
			t.Errorf("%d registrations after the right was given, want 1", n-tries)
		}
	})
}

func TestEnsureWritesOnlyWhatIsNeeded(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		registered := 0
		s.OnRegister = func() { registered++ }
		for _, step := range []struct {
			name string
			do   func()
			want int // registrations so far
		}{
			{"there is none", func() {}, 1},
			{"all is well", func() {}, 1},
			{"another form", func() { s.agent.set(other()) }, 2},
		} {
			step.do()
			if err := s.Ensure(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := len(s.agent.times()); n != step.want || registered != step.want {
				t.Errorf("%s: %d registrations and %d calls of OnRegister so far, want %d", step.name, n, registered, step.want)
			}
		}
	})
}
