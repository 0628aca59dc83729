package fake

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// haproxy is a master of version 3.0 with one worker, which it only claims to
// have.
func haproxy(args []string) int {
	config := option(args, "-f")
	content, err := load(config, slices.Contains(args, "-c"))
	if err != nil {
		fmt.Fprintf(os.Stderr, "[NOTICE]   (1) : haproxy version is fake\n[ALERT]    (1) : %v\n", err)
		return 1
	}
	if slices.Contains(args, "-c") {
		return 0
	}
	endWithParent()
	socket, _, _ := strings.Cut(option(args, "-S"), ",")
	_ = os.Remove(socket) // a killed predecessor leaves it; HAProxy replaces it too
	listener, err := net.Listen("unix", socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("haproxy serves %s\n", content)
	go (&master{config: config}).run(listener)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGUSR1)
	<-stop
	return 0
}

type master struct {
	config          string
	reloads, failed int
}

func (m *master) run(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		m.serve(conn)
		conn.Close()
	}
}

func (m *master) serve(conn net.Conn) {
	buffer := make([]byte, 100)
	n, err := conn.Read(buffer)
	if err != nil {
		return
	}
	var answer string
	switch strings.TrimSpace(string(buffer[:n])) {
	case "show proc":
		answer = fmt.Sprintf("1 master %d [failed: %d] 0d00h00m00s 3.0.0\n# workers\n%d worker 0 0d00h00m00s 3.0.0\n\n",
			m.reloads, m.failed, 2+m.reloads)
	case "reload":
		answer = m.reload()
	}
	if _, err := io.WriteString(conn, answer); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, conn) // the master does not close first
}

func (m *master) reload() string {
	m.reloads++
	content, err := load(m.config, false)
	if err != nil {
		m.failed++
		return fmt.Sprintf("Success=0\n--\n[NOTICE]   (1) : haproxy version is fake\n[ALERT]    (1) : %v\n", err)
	}
	switch {
	case strings.Contains(content, "deadly"):
		die()
	case strings.Contains(content, "slow"):
		select {}
	}
	m.failed = 0
	fmt.Printf("haproxy serves %s\n", content)
	return "Success=1\n--\n[NOTICE]   (1) : Loading success.\n"
}
