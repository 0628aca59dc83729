package await

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// Log keeps what is written to it, for tests to look at meanwhile and for people
// when the test fails.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// NewLog returns a log that is printed if the test fails.
func NewLog(tb testing.TB) *Log {
	l := &Log{}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("log:\n%s", l)
		}
	})
	return l
}

// Write never fails.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Count tells how many lines contain all words.
func (l *Log) Count(words ...string) int {
	count := 0
lines:
	for line := range strings.Lines(l.String()) {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue lines
			}
		}
		count++
	}
	return count
}

// Logger returns a logger that writes to the log, everything and without times.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}
