package fake

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// What nginx's processes call themselves.
const (
	masterTitle    = "nginx: master process"
	workerTitle    = "nginx: worker process"
	oldWorkerTitle = "nginx: worker process is shutting down"
)

// nginx validates, or becomes the master under its own title.
func nginx(args []string) int {
	config := option(args, "-c")
	if slices.Contains(args, "-t") {
		if _, err := load(config, true); err != nil {
			fmt.Fprintf(os.Stderr, "nginx: [emerg] %v\nnginx: configuration file test failed\n", err)
			return 1
		}
		return 0
	}
	become(masterTitle, config)
	return 1
}

// become goes on as another part, under its title.
func become(title string, args ...string) {
	self, err := os.Executable()
	if err == nil {
		err = syscall.Exec(self, append([]string{title}, args...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
}

type nginxProcess struct {
	config  string
	workers []*exec.Cmd
}

func nginxMaster(args []string) int {
	endWithParent()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGQUIT)
	n := &nginxProcess{config: args[0]}
	if !n.start() {
		return 1
	}
	for sig := range signals {
		if sig != syscall.SIGHUP {
			break
		}
		n.reload()
	}
	n.quit(n.workers)
	return 0
}

// start reads the file and starts workers; without success everything stays.
func (n *nginxProcess) start() bool {
	content, err := load(n.config, false)
	switch {
	case err != nil:
		fmt.Fprintf(os.Stderr, "2026/01/02 03:04:05 [emerg] 1#1: %v\n", err)
		return false
	case strings.Contains(content, "mute"):
		return false
	case strings.Contains(content, "deadly"):
		die()
	}
	self, err := os.Executable()
	if err != nil {
		return false
	}
	n.workers = nil
	for range 2 {
		worker := &exec.Cmd{Path: self, Args: []string{workerTitle}, Stderr: os.Stderr}
		if err := worker.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return false
		}
		n.workers = append(n.workers, worker)
	}
	fmt.Printf("nginx serves %s\n", content)
	return true
}

func (n *nginxProcess) reload() {
	old := n.workers
	if !n.start() {
		n.workers = old
		return
	}
	time.Sleep(20 * time.Millisecond) // the real one gives the new ones 100 ms
	n.quit(old)
}

func (n *nginxProcess) quit(workers []*exec.Cmd) {
	for _, worker := range workers {
		_ = worker.Process.Signal(syscall.SIGQUIT) // it may have ended
		go func() { _ = worker.Wait() }()
	}
}

// nginxWorker finishes its last request long after it was told to quit.
func nginxWorker(title string) int {
	endWithParent()
	if title == workerTitle {
		quit := make(chan os.Signal, 1)
		signal.Notify(quit, syscall.SIGQUIT)
		<-quit
		become(oldWorkerTitle)
	}
	time.Sleep(5 * time.Second)
	return 0
}
