package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul-template/dependency"

	"remora/internal/await"
	"remora/internal/catalog"
)

// thing is something in a Consul that exists in the time of a synctest bubble only.
type thing struct {
	name string

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, by every change
	data    any
	index   uint64
	err     error
	blocks  bool     // it is a key that is waited for
	silent  bool     // its answers have no index
	asked   []uint64 // the indexes that were asked with
	stopped int
}

func newThing(name string, data any) *thing {
	return &thing{name: name, data: data, index: 10, changed: make(chan struct{})}
}

func (th *thing) Fetch(_ *dependency.ClientSet, o *dependency.QueryOptions) (any, *dependency.ResponseMetadata, error) {
	th.mu.Lock()
	defer th.mu.Unlock()
	th.asked = append(th.asked, o.WaitIndex)
	if o.WaitIndex == th.index && th.err == nil || th.silent && o.WaitIndex > 0 {
		changed := th.changed
		th.mu.Unlock()
		select {
		case <-changed:
		case <-time.After(o.WaitTime):
		}
		th.mu.Lock()
	}
	if th.err != nil {
		return nil, nil, th.err
	}
	meta := &dependency.ResponseMetadata{LastIndex: th.index, BlockOnNil: th.blocks}
	if th.silent {
		meta.LastIndex = 0
	}
	return th.data, meta, nil
}

func (th *thing) CanShare() bool        { return true }
func (th *thing) String() string        { return th.name }
func (th *thing) Type() dependency.Type { return dependency.TypeConsul }

func (th *thing) Stop() { th.change(func() { th.stopped++ }) }

func (th *thing) change(do func()) {
	th.mu.Lock()
	defer th.mu.Unlock()
	do()
	close(th.changed)
	th.changed = make(chan struct{})
}

func (th *thing) set(data any, index uint64) {
	th.change(func() { th.data, th.index = data, index })
}

func (th *thing) asks() []uint64 {
	th.mu.Lock()
	defer th.mu.Unlock()
	return append([]uint64{}, th.asked...)
}

// memory is what templates would see.
type memory struct {
	mu    sync.Mutex
	known map[string]any
}

func (m *memory) Remember(d dependency.Dependency, data any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[d.String()] = data
}

func (m *memory) Forget(d dependency.Dependency) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, d.String())
}

func (m *memory) mustBe(t *testing.T, want map[string]any) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if diff := cmp.Diff(want, m.known); diff != "" {
		t.Errorf("known (-want +got):\n%s", diff)
	}
}

type known = map[string]any

// subject are watches with what they remember and log.
type subject struct {
	*catalog.Watches
	memory *memory
	log    *await.Log
	ctx    context.Context
}

// grace is how long incomplete answers are held back after trouble.
const grace = 20 * time.Second

func inBubble(t *testing.T, test func(t *testing.T, s subject)) {
	synctest.Test(t, func(t *testing.T) {
		m, log := &memory{known: known{}}, await.NewLog(t)
		watches, err := catalog.New(log.Logger(), m, grace)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		test(t, subject{watches, m, log, ctx})
		cancel()
		watches.Wait()
		// Fetches that were left to run out end with the bubble, or it would fail.
	})
}

func (s subject) want(things ...dependency.Dependency) {
	s.Want(s.ctx, things)
	synctest.Wait()
}

// woken tells whether there was a wake-up, and takes it.
func (s subject) woken() bool {
	synctest.Wait()
	select {
	case <-s.Changed():
		return true
	default:
		return false
	}
}

func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestAnswersAreRememberedAndWake(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		a := newThing("a", "one")
		s.want(a)
		if !s.woken() {
			t.Error("no wake-up for the first answer")
		}
		s.memory.mustBe(t, known{"a": "one"})
		a.set("two", 11)
		if !s.woken() {
			t.Error("no wake-up for a change")
		}
		s.memory.mustBe(t, known{"a": "two"})
		a.set("two", 12)
		if s.woken() {
			t.Error("a wake-up for the same answer under another index")
		}
		if diff := cmp.Diff([]uint64{0, 10, 11, 12}, a.asks()); diff != "" {
			t.Errorf("asked with indexes (-want +got):\n%s", diff)
		}
	})
}

func TestOneWatchPerThing(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		first, again := newThing("a", "one"), newThing("a", "one")
		s.want(first)
		s.want(again)
		if n := len(again.asks()); n > 0 {
			t.Errorf("the second was asked %d times, want none", n)
		}
	})
}

func TestWhatIsNoLongerWantedIsForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		a, b := newThing("a", "one"), newThing("b", "two")
		s.want(a, b)
		s.memory.mustBe(t, known{"a": "one", "b": "two"})
		s.want(b)
		s.memory.mustBe(t, known{"b": "two"})
		a.set("three", 11)
		synctest.Wait()
		s.memory.mustBe(t, known{"b": "two"})
		s.want(b, newThing("a", "four"))
		s.memory.mustBe(t, known{"a": "four", "b": "two"})
	})
}

func TestNothingIsAskedAtFullSpeed(t *testing.T) {
	quiet := newThing("quiet", "one")
	silent := newThing("an answer without an index", "one")
	silent.silent = true
	absent := newThing("a key that does not exist", nil)
	absent.blocks = true
	for _, th := range []*thing{quiet, silent, absent} {
		t.Run(th.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s subject) {
				th := &thing{name: th.name, data: th.data, index: th.index, blocks: th.blocks, silent: th.silent, changed: make(chan struct{})}
				s.want(th)
				after(time.Hour)
				if n := len(th.asks()); n < 55 || n > 65 {
					t.Errorf("asked %d times in an hour, want about once a minute", n)
				}
			})
		})
	}
}

func TestAnswersThatAreMissingAreNamed(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		key := newThing("kv.block(x)", nil)
		key.blocks = true
		optional := newThing("kv.get(y)", nil)
		s.want(key, optional, newThing("a", "one"))
		if diff := cmp.Diff([]string{"kv.block(x)"}, s.Waiting()); diff != "" {
			t.Errorf("waiting for (-want +got):\n%s", diff)
		}
		s.memory.mustBe(t, known{"a": "one", "kv.get(y)": nil})
		key.set("here", 11)
		synctest.Wait()
		if got := s.Waiting(); len(got) > 0 {
			t.Errorf("waiting for %q, want nothing", got)
		}
		// A key that vanishes again is not an empty one.
		key.set(nil, 12)
		synctest.Wait()
		s.memory.mustBe(t, known{"a": "one", "kv.get(y)": nil, "kv.block(x)": "here"})
	})
}

func TestErrorsKeepTheLastAnswerAndAreTriedAgainWithPauses(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		a := newThing("a", "one")
		s.want(a)
		s.woken()
		a.change(func() { a.err = errors.New("connection refused") })
		after(time.Minute)
		tries := len(a.asks())
		if tries < 30 || tries > 80 {
			t.Errorf("%d tries in a minute, want one every 1 to 2 seconds", tries)
		}
		s.memory.mustBe(t, known{"a": "one"})
		if s.woken() {
			t.Error("a wake-up for an error")
		}
		if got, want := s.log.Count("level=WARN", "consul query failed; keeping the last answer", "query=a", "connection refused"), (tries+7)/10; got < want-1 || got > want+1 {
			t.Errorf("%d warnings for %d tries, want the first and every tenth", got, tries)
		}
		a.change(func() { a.err, a.data, a.index = nil, "two", 3 }) // it counts from the beginning
		after(2 * time.Second)
		s.memory.mustBe(t, known{"a": "two"})
		if n := s.log.Count("level=INFO", "consul answers again", "query=a"); n != 1 {
			t.Errorf("the recovery is logged %d times, want once", n)
		}
	})
}

func TestIndexThatGoesBackwardsIsAskedAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		a := newThing("a", "one")
		s.want(a)
		s.woken()
		a.set("restored", 3)
		if !s.woken() {
			t.Error("no wake-up for what was restored")
		}
		s.memory.mustBe(t, known{"a": "restored"})
		if diff := cmp.Diff([]uint64{0, 10, 0, 3}, a.asks()); diff != "" {
			t.Errorf("asked with indexes (-want +got):\n%s", diff)
		}
	})
}

func TestBurstIsOneWakeUp(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		var things []dependency.Dependency
		for n := range 50 {
			things = append(things, newThing(fmt.Sprint(n), "one"))
		}
		s.want(things...)
		if !s.woken() || s.woken() {
			t.Error("want exactly one wake-up")
		}
	})
}

func TestEndIsNotHeldUpByAQuery(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		ctx, cancel := context.WithCancel(s.ctx)
		a := newThing("a", "one")
		s.Want(ctx, []dependency.Dependency{a})
		synctest.Wait()
		start := time.Now()
		cancel()
		s.Wait()
		if took := time.Since(start); took > 0 {
			t.Errorf("waited %s, want no time", took)
		}
		if a.stopped != 1 {
			t.Errorf("told to stop %d times, want once", a.stopped)
		}
	})
}
