// Command demo brings examples/web up on the local Docker Engine, puts load on
// it, stops one replica gracefully and kills another, and shows what that cost. It
// leaves everything running; demo -down removes it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"remora/integration/stack"
)

// project is the compose project's name.
const project = "remora-demo"

// limit bounds the whole demo, servers and images apart.
const limit = 5 * time.Minute

func main() {
	down := flag.Bool("down", false, "remove what the demo left running")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s := newScreen(os.Stdout)
	if err := run(ctx, s, *down); err != nil {
		s.failed(err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s *screen, down bool) error {
	root, err := stack.Root()
	if err != nil {
		return err
	}
	servers, err := stack.FindServers(ctx, root, os.Stderr)
	if err != nil {
		return err
	}
	ports := stack.Ports{Consul: 8500, HAProxy: 8080, Stats: 8404, Nginx: 8081}
	d := &demo{screen: s, web: stack.NewWeb(servers, filepath.Join(root, "examples/web"), project, ports)}
	if down {
		return s.step("everything removed", func() (string, error) { return "", d.web.Down(ctx) })
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s.title("Remora: three replicas of an app behind HAProxy and nginx")
	if servers.StandIns() {
		s.say("No registry can be reached: Consul, HAProxy and nginx are stand-ins built here.")
	}
	if err := d.show(ctx); err != nil {
		if ctx.Err() == nil {
			s.hint("docker compose --project-name " + project + " logs   tells more; make demo-down removes everything.")
		}
		return err
	}
	d.leave()
	return nil
}

// demo is the show.
type demo struct {
	screen *screen
	web    *stack.Web
	loads  map[string]*stack.Load
}

const replicas = 3

func (d *demo) show(ctx context.Context) error {
	if err := d.bringUp(ctx); err != nil {
		return err
	}
	d.loads = map[string]*stack.Load{}
	for _, lb := range d.web.LoadBalancers() {
		d.loads[lb.Name] = stack.StartLoad(ctx, stack.URL(lb.Port))
	}
	defer func() {
		for _, l := range d.loads {
			l.Stop()
		}
	}()
	for _, act := range []func(context.Context) error{d.spread, d.stopOne, d.killOne, d.scaleUp} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) bringUp(ctx context.Context) error {
	start := time.Now()
	err := d.screen.step("containers up", func() (string, error) {
		// From nothing: an earlier demo would keep its volumes, and with them the
		// binaries of its images.
		return "", errors.Join(d.web.Down(ctx), d.web.Up(ctx, replicas))
	})
	if err != nil {
		return err
	}
	return d.screen.step("all replicas registered, healthy, in both load balancers", func() (string, error) {
		_, err := d.web.WaitServers(ctx, replicas, start)
		return "", err
	})
}

// spread lets the load run a while and shows who answered.
func (d *demo) spread(ctx context.Context) error {
	d.screen.section("Load: 400 requests a second through each load balancer, half of them POSTs")
	if err := sleep(ctx, 3*time.Second); err != nil {
		return err
	}
	for _, lb := range d.web.LoadBalancers() {
		counts := d.loads[lb.Name].Reset()
		d.screen.requests(lb.Name, counts)
		d.screen.shares(counts)
		if len(counts.Served) != replicas {
			return fmt.Errorf("%s: %d replicas answered, not %d", lb.Name, len(counts.Served), replicas)
		}
	}
	return nil
}

// stopOne stops a replica as docker does it: TERM first. No request may fail.
func (d *demo) stopOne(ctx context.Context) error {
	d.screen.section("One replica stopped gracefully: docker stop")
	lost, err := d.takeOut(ctx, "stop", "--time", "10")
	if err == nil && lost > 0 {
		err = fmt.Errorf("%d requests failed in a graceful stop", lost)
	}
	return err
}

// killOne kills a replica. Requests that it was answering are lost with it.
func (d *demo) killOne(ctx context.Context) error {
	d.screen.section("One replica killed hard: docker kill (what it was answering is lost with it)")
	_, err := d.takeOut(ctx, "kill")
	return err
}

// takeOut ends a replica by a docker command and shows what that cost. It returns
// the number of failed requests.
func (d *demo) takeOut(ctx context.Context, command ...string) (int, error) {
	ids, err := d.web.Containers(ctx, "web")
	if err != nil {
		return 0, err
	}
	if len(ids) == 0 {
		return 0, errors.New("no replica is left")
	}
	id := ids[len(ids)-1]
	address, err := stack.Address(ctx, id)
	if err != nil {
		return 0, err
	}
	for _, l := range d.loads {
		l.Reset()
	}
	start := time.Now()
	ended := make(chan error, 1)
	go func() { _, err := stack.Docker(ctx, append(command, id)...); ended <- err }()
	took, err := d.web.WaitOut(ctx, address, start)
	if err = errors.Join(err, <-ended); err != nil {
		return 0, err
	}
	if err := sleep(ctx, time.Second); err != nil {
		return 0, err
	}
	return d.account(stack.Hostname(id), start, took), nil
}

func (d *demo) account(instance string, start time.Time, took map[string]time.Duration) int {
	lost := 0
	for _, lb := range d.web.LoadBalancers() {
		counts := d.loads[lb.Name].Reset()
		d.screen.requests(lb.Name, counts)
		d.screen.out(counts.Last[instance], start, took[lb.Name])
		lost += len(counts.Failures)
	}
	return lost
}

// scaleUp brings the replicas back.
func (d *demo) scaleUp(ctx context.Context) error {
	d.screen.section("Scaled up to three again")
	start := time.Now()
	err := d.screen.step("started", func() (string, error) { return "", d.web.Up(ctx, replicas) })
	if err != nil {
		return err
	}
	took, err := d.web.WaitServers(ctx, replicas, start)
	if err != nil {
		return err
	}
	if err := sleep(ctx, time.Second); err != nil {
		return err
	}
	for _, lb := range d.web.LoadBalancers() {
		d.screen.requests(lb.Name, d.loads[lb.Name].Reset())
		d.screen.in(took[lb.Name])
	}
	return nil
}

func (d *demo) leave() {
	d.screen.section("Everything is left running")
	for _, line := range [][2]string{
		{"app through HAProxy", stack.URL(d.web.Ports.HAProxy)},
		{"app through nginx", stack.URL(d.web.Ports.Nginx)},
		{"HAProxy statistics", stack.URL(d.web.Ports.Stats)},
		{"Consul", stack.URL(d.web.Ports.Consul) + "/ui"},
	} {
		d.screen.link(line[0], line[1])
	}
	d.screen.hint("make demo-down stops and removes it. The files are in examples/web.")
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
