package stack

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Web is the project of examples/web, up or to be brought up.
type Web struct {
	*Stack
	Ports Ports
}

// Ports are those that the project publishes on the loopback interface.
type Ports struct{ Consul, HAProxy, Stats, Nginx int }

// LoadBalancer is one of the project's two.
type LoadBalancer struct {
	Name    string
	service string
	config  string
	Port    int
}

// NewWeb describes the project in dir, examples/web or a copy, under a project
// name of its own.
func NewWeb(servers Servers, dir, project string, ports Ports, env ...string) *Web {
	env = append(env,
		"CONSUL_PORT="+strconv.Itoa(ports.Consul),
		"HAPROXY_PORT="+strconv.Itoa(ports.HAProxy),
		"STATS_PORT="+strconv.Itoa(ports.Stats),
		"NGINX_PORT="+strconv.Itoa(ports.Nginx),
	)
	file := filepath.Join(dir, "compose.yaml")
	return &Web{Stack: New(servers, project, file, env...), Ports: ports}
}

// LoadBalancers returns the project's load balancers.
func (w *Web) LoadBalancers() []LoadBalancer {
	return []LoadBalancer{
		{Name: "HAProxy", service: "haproxy", config: "haproxy.cfg", Port: w.Ports.HAProxy},
		{Name: "nginx", service: "nginx", config: "nginx.conf", Port: w.Ports.Nginx},
	}
}

// Up brings the project up with so many replicas of the app.
func (w *Web) Up(ctx context.Context, replicas int) error {
	_, err := w.Compose(ctx, "up", "--detach", "--no-recreate", "--scale", "web="+strconv.Itoa(replicas))
	return err
}

// Verified returns the configuration that a load balancer is known to run on.
func (w *Web) Verified(ctx context.Context, lb LoadBalancer) (string, error) {
	// By its name: asking compose for the ID would take longer than a look should.
	container := w.project + "-" + lb.service + "-1"
	return Docker(ctx, "exec", container, "cat", "/live/last-good/"+lb.config)
}

// lookPause is the time between two looks; each look runs a process.
const lookPause = 20 * time.Millisecond

// WaitOut waits until no load balancer runs on a configuration with the address,
// and returns how long after start it took for each.
func (w *Web) WaitOut(ctx context.Context, address string, start time.Time) (map[string]time.Duration, error) {
	return w.waitFor(ctx, start, "still has "+address, func(config string) bool {
		return !strings.Contains(config, address+":")
	})
}

// WaitServers waits until all load balancers run on a configuration with so many
// servers.
func (w *Web) WaitServers(ctx context.Context, count int, start time.Time) (map[string]time.Duration, error) {
	return w.waitFor(ctx, start, fmt.Sprintf("has not %d servers", count), func(config string) bool {
		return servers(config) == count
	})
}

// servers counts the app's servers in a configuration of either load balancer.
func servers(config string) int {
	count := 0
	for line := range strings.Lines(config) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "server ") && strings.Contains(line, ":8080") {
			count++
		}
	}
	return count
}

func (w *Web) waitFor(ctx context.Context, start time.Time, otherwise string, cond func(config string) bool) (map[string]time.Duration, error) {
	took := map[string]time.Duration{}
	ticker := time.NewTicker(lookPause)
	defer ticker.Stop()
	for {
		missing := ""
		for _, lb := range w.LoadBalancers() {
			if _, done := took[lb.Name]; done {
				continue
			}
			config, err := w.Verified(ctx, lb)
			if err == nil && cond(config) {
				took[lb.Name] = time.Since(start)
				continue
			}
			missing = lb.Name
		}
		if missing == "" {
			return took, nil
		}
		select {
		case <-ctx.Done():
			return took, fmt.Errorf("%s %s: %w", missing, otherwise, ctx.Err())
		case <-ticker.C:
		}
	}
}
