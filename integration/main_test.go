// Package integration tests the toolkit from outside: real Consul, Docker,
// HAProxy and nginx, and the images as people get them.
//
//	go test ./integration -run NAME -keep
//
// leaves the containers of a test for a look. The images must have been built
// (make images); make test-integration does both.
package integration

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"remora/integration/stack"
)

var (
	keep    = flag.Bool("keep", false, "leave containers running after the tests")
	servers stack.Servers
	root    string
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func prepare() error {
	ctx := context.Background()
	var err error
	if root, err = stack.Root(); err != nil {
		return err
	}
	if servers, err = stack.FindServers(ctx, root, os.Stderr); err != nil {
		return err
	}
	for _, image := range []string{"init", "sidecar", "reloader", "demo"} {
		if _, err := stack.Docker(ctx, "image", "inspect", "remora/"+image); err != nil {
			return fmt.Errorf("image remora/%s: is not there; run make images", image)
		}
	}
	return nil
}

// mustDocker runs a docker command and returns its output.
func mustDocker(tb testing.TB, args ...string) string {
	tb.Helper()
	out, err := stack.Docker(tb.Context(), args...)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// cleanup runs f at the end of a test unless -keep was given; a test's own
// context is over by then.
func cleanup(tb testing.TB, f func(ctx context.Context)) {
	tb.Cleanup(func() {
		if *keep {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		f(ctx)
	})
}

// mustPorts returns ports that are free now.
func mustPorts(tb testing.TB) stack.Ports {
	tb.Helper()
	var ports [4]int
	for n := range ports {
		port, err := stack.FreePort()
		if err != nil {
			tb.Fatal(err)
		}
		ports[n] = port
	}
	return stack.Ports{Consul: ports[0], HAProxy: ports[1], Stats: ports[2], Nginx: ports[3]}
}
