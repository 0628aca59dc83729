package apply

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

func TestFirstWaitsForTheFirstSetThatValidates(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		l := r.loop()
		found := make(chan error, 1)
		go func() { found <- l.First(t.Context()) }()
		r.wait()
		r.mustSay(1, "waiting for")
		for range 2 {
			r.publish("invalid")
			r.wait()
		}
		r.must("", "", "")
		r.mustSay(1, "candidate refused", "stage=validate")
		if len(r.target.validated) < 5 {
			t.Errorf("validated %d times, want more: nothing runs yet, so asking again is free", len(r.target.validated))
		}
		r.publish("one")
		r.pass(time.Second)
		if err := <-found; err != nil {
			t.Fatal(err)
		}
		r.must("one", "", "")
	})
}

func TestFirstIsAtOnceWithALastGoodSet(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.start()
		r.publish("one")
		r.wait()
		r.stop()
		r.publish("two")
		if err := r.loop().First(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.must("one", "one", "one")
	})
}

func TestFirstStartsOnWhatACutShortFirstStartLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.target.away = true
		r.start()
		r.publish("one")
		r.wait()
		r.stop()
		r.must("one", "", "")
		if err := os.RemoveAll(r.dir); err != nil { // the renderer is not there yet
			t.Fatal(err)
		}
		if err := r.loop().First(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestFirstEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		if err := r.loop().First(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want the context's", err)
		}
	})
}
