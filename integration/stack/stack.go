// Package stack brings an example up on the local Docker Engine, for the demo and
// for the tests to look at from outside.
package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Stack is one running compose project.
type Stack struct {
	project string
	file    string
	compose []string
	env     []string
}

// Servers names what the examples run on, as integration/standin/build.sh prints
// it: official images where a registry can be reached, stand-ins elsewhere.
type Servers struct {
	env     []string
	values  map[string]string
	compose []string
}

// FindServers runs the script that makes the servers available. Its progress goes
// to w; the first time on a machine without a registry it takes many minutes.
func FindServers(ctx context.Context, root string, progress *os.File) (Servers, error) {
	cmd := exec.CommandContext(ctx, "bash", filepath.Join(root, "integration/standin/build.sh"))
	cmd.Stderr = progress
	out, err := cmd.Output()
	if err != nil {
		return Servers{}, fmt.Errorf("make servers available: %w", err)
	}
	s := Servers{values: map[string]string{}}
	for line := range strings.Lines(string(out)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		s.values[key] = value
		s.env = append(s.env, key+"="+value)
	}
	s.compose = strings.Fields(s.values["COMPOSE"])
	if len(s.compose) == 0 {
		return s, errors.New("make servers available: the script named no Docker Compose")
	}
	return s, nil
}

// Image returns the image of a server: CONSUL, HAPROXY or NGINX.
func (s Servers) Image(server string) string { return s.values[server+"_IMAGE"] }

// StandIns tells whether any server is a stand-in.
func (s Servers) StandIns() bool {
	return strings.Contains(strings.Join(s.env, " "), "remora-standin/")
}

// New describes a project from the compose file, with further environment for it;
// nothing is started.
func New(servers Servers, project, file string, env ...string) *Stack {
	return &Stack{
		project: project,
		file:    file,
		compose: servers.compose,
		env:     append(append(os.Environ(), servers.env...), env...),
	}
}

// Compose runs a compose command on the project and returns its output.
func (s *Stack) Compose(ctx context.Context, args ...string) (string, error) {
	words := append(append([]string{}, s.compose[1:]...), "--project-name", s.project, "--file", s.file, "--progress", "quiet")
	cmd := exec.CommandContext(ctx, s.compose[0], append(words, args...)...)
	cmd.Env = s.env
	return output(cmd)
}

// Down removes the project with its volumes.
func (s *Stack) Down(ctx context.Context) error {
	_, err := s.Compose(ctx, "down", "--volumes", "--remove-orphans", "--timeout", "5")
	return err
}

// Containers returns the IDs of a service's running containers.
func (s *Stack) Containers(ctx context.Context, service string) ([]string, error) {
	out, err := s.Compose(ctx, "ps", "--quiet", service)
	return strings.Fields(out), err
}

// Container returns the ID of a service's only container.
func (s *Stack) Container(ctx context.Context, service string) (string, error) {
	ids, err := s.Containers(ctx, service)
	if err == nil && len(ids) != 1 {
		err = fmt.Errorf("service %s: %d containers are running, not one", service, len(ids))
	}
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// Logs returns the logs of services, or of all.
func (s *Stack) Logs(ctx context.Context, services ...string) (string, error) {
	return s.Compose(ctx, append([]string{"logs", "--no-color", "--timestamps"}, services...)...)
}

// Docker runs a docker command and returns its output.
func Docker(ctx context.Context, args ...string) (string, error) {
	return output(exec.CommandContext(ctx, "docker", args...))
}

// Hostname is the host name of a container, which apps see as their own.
func Hostname(id string) string { return id[:12] }

// Address returns the address of a container in its first network.
func Address(ctx context.Context, id string) (string, error) {
	format := "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
	out, err := Docker(ctx, "inspect", "--format", format, id)
	if err != nil {
		return "", err
	}
	addresses := strings.Fields(out)
	if len(addresses) == 0 {
		return "", fmt.Errorf("container %s: has no address", id)
	}
	return addresses[0], nil
}

func output(cmd *exec.Cmd) (string, error) {
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	// A cancelled compose command may leave children that hold the pipes.
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(problem.String()))
	}
	return out.String(), nil
}

// FreePort returns a port on which nothing listens on the loopback interface.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Root returns the repository's root, from anywhere inside it.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "ARCHITECTURE.md")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("not inside the repository")
}

// URL is the address of a port that the project publishes on the loopback
// interface.
func URL(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }
