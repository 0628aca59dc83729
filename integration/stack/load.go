package stack

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Load sends requests to a URL, a steady number per second over connections that
// are kept alive where the server lets them be, and notes what happened to each.
// Half of the requests are POSTs, which no client and no load balancer repeats on
// its own once they are sent.
type Load struct {
	url    string
	client *http.Client
	stop   context.CancelFunc
	group  sync.WaitGroup

	mu       sync.Mutex
	requests int
	failures []Failure
	served   map[string]int
	last     map[string]time.Time
}

// Failure is a request that got no 200.
type Failure struct {
	At   time.Time
	What string
}

// Counts is what happened to the requests of a Load since it was reset.
type Counts struct {
	Requests int
	Failures []Failure
	Served   map[string]int       // by the instance that answered
	Last     map[string]time.Time // when each instance answered last
}

// Of a load: so many clients, each with a request in every interval.
const (
	loadClients  = 8
	loadInterval = 20 * time.Millisecond
	loadTimeout  = 10 * time.Second
)

// StartLoad starts sending: 400 requests a second. Stop ends it.
func StartLoad(ctx context.Context, url string) *Load {
	ctx, cancel := context.WithCancel(ctx)
	l := &Load{
		url: url,
		client: &http.Client{
			Timeout:   loadTimeout,
			Transport: &http.Transport{MaxIdleConnsPerHost: loadClients},
		},
		stop:   cancel,
		served: map[string]int{},
		last:   map[string]time.Time{},
	}
	for n := range loadClients {
		l.group.Go(func() { l.run(ctx, n) })
	}
	return l
}

// Stop ends the load, with the requests that are under way, and returns the
// counts since the last Reset.
func (l *Load) Stop() Counts {
	l.stop()
	l.group.Wait()
	l.client.CloseIdleConnections()
	return l.Counts()
}

// Counts returns what happened so far.
func (l *Load) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Counts{
		Requests: l.requests,
		Failures: append([]Failure(nil), l.failures...),
		Served:   maps.Clone(l.served),
		Last:     maps.Clone(l.last),
	}
}

// Reset forgets what happened so far and returns it.
func (l *Load) Reset() Counts {
	counts := l.Counts()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests, l.failures = 0, nil
	clear(l.served)
	clear(l.last)
	return counts
}

func (l *Load) run(ctx context.Context, n int) {
	ticker := time.NewTicker(loadInterval)
	defer ticker.Stop()
	for i := n; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		l.request(i)
	}
}

func (l *Load) request(i int) {
	method, body := http.MethodGet, ""
	if i%2 == 1 {
		method, body = http.MethodPost, "a body"
	}
	instance, err := l.do(method, body)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	if err != nil {
		l.failures = append(l.failures, Failure{time.Now(), fmt.Sprintf("%s: %v", method, err)})
		return
	}
	l.served[instance]++
	l.last[instance] = time.Now()
}

// do is not cancelled with the load: every request that was begun counts.
func (l *Load) do(method, body string) (string, error) {
	request, err := http.NewRequest(method, l.url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	response, err := l.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("answer %s", response.Status)
	}
	return response.Header.Get("X-Instance"), nil
}
