package target

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"remora/internal/settings"
)

const (
	live = "/live/current"
	next = "/live/.generations/0123"
)

func TestCheckArgv(t *testing.T) {
	for _, test := range []struct{ command, want string }{
		{"haproxy -f /live/current/haproxy.cfg", "haproxy -c -f " + next + "/haproxy.cfg"},
		{"haproxy -W -db -S /run/m.sock,mode,600 -f /live/current/haproxy.cfg", "haproxy -c -f " + next + "/haproxy.cfg"},
		{"haproxy -Ws -p /run/h.pid -q -f /live/current -L lb1 -n 2000 -m 512", "haproxy -c -f " + next + " -L lb1 -n 2000 -m 512"},
		{"haproxy -f /live/current/a.cfg -sf 12 13 -x /run/h.sock -f /etc/b.cfg", "haproxy -c -f " + next + "/a.cfg -f /etc/b.cfg"},
		{"haproxy -f /live/current/a.cfg -st -V -d -dr -C /live/current", "haproxy -c -f " + next + "/a.cfg -dr -C " + next},
		{"haproxy -W -- /live/current/a.cfg -W", "haproxy -c -- " + next + "/a.cfg -W"},
		{"/usr/local/sbin/haproxy -f /live/current/a.cfg", "/usr/local/sbin/haproxy -c -f " + next + "/a.cfg"},
		{"docker-entrypoint.sh haproxy -f /live/current/a.cfg", "haproxy -c -f " + next + "/a.cfg"},
		{"nginx -c /live/current/nginx.conf", "nginx -t -c " + next + "/nginx.conf"},
		{"nginx -p /live/current -c nginx.conf -e /dev/stderr -g daemon_off;", "nginx -t -p " + next + " -c nginx.conf -e /dev/stderr -g daemon_off;"},
		{"nginx -c/live/current/nginx.conf", "nginx -t -c" + next + "/nginx.conf"},
		{"nginx -g include=/live/current/x;include=/live/current-old/y;", "nginx -t -g include=" + next + "/x;include=/live/current-old/y;"},
		{"/docker-entrypoint.sh nginx -c /live/current/nginx.conf", "nginx -t -c " + next + "/nginx.conf"},
		{"nginx -c /live/current/live/current/n.conf -p /mnt/live/current", "nginx -t -c " + next + "/live/current/n.conf -p /mnt/live/current"},
	} {
		command := mustParse(t, test.command)
		got := strings.Join(command.CheckArgv(next), " ")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.command, diff)
		}
	}
}

func TestStartArgvHasWhatAReloadNeeds(t *testing.T) {
	for _, test := range []struct{ command, want string }{
		{"haproxy -f /live/current/a.cfg", "haproxy -W -db -S /tmp/m.sock,mode,600 -f /live/current/a.cfg"},
		{"haproxy -W -db -f /live/current/a.cfg", "haproxy -S /tmp/m.sock,mode,600 -W -db -f /live/current/a.cfg"},
		{"haproxy -Ws -S /run/m.sock -f /live/current/a.cfg", "haproxy -db -Ws -S /run/m.sock -f /live/current/a.cfg"},
		{"haproxy -f -S -- /live/current/a.cfg", "haproxy -W -db -S /tmp/m.sock,mode,600 -f -S -- /live/current/a.cfg"},
		{"docker-entrypoint.sh haproxy -f /live/current/a.cfg", "docker-entrypoint.sh haproxy -W -db -S /tmp/m.sock,mode,600 -f /live/current/a.cfg"},
		{"nginx -c /live/current/nginx.conf", "nginx -c /live/current/nginx.conf"},
	} {
		got := strings.Join(mustParse(t, test.command).StartArgv("/tmp/m.sock"), " ")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.command, diff)
		}
	}
}

func TestMasterSocketOfTheCommand(t *testing.T) {
	for _, test := range []struct{ command, want, wrong string }{
		{"haproxy -f /live/current/a.cfg", "", ""},
		{"haproxy -S /run/m.sock,mode,660 -f /live/current/a.cfg", "/run/m.sock", ""},
		{"haproxy -S unix@/run/m.sock -f /live/current/a.cfg", "/run/m.sock", ""},
		{"haproxy -S 127.0.0.1:9999 -f /live/current/a.cfg", "", "127.0.0.1:9999"},
		{"haproxy -S abns@master -f /live/current/a.cfg", "", "abns@master"},
		{"nginx -c /live/current/nginx.conf", "", ""},
	} {
		got, err := mustParse(t, test.command).MasterSocket()
		if got != test.want || (err == nil) != (test.wrong == "") {
			t.Errorf("%s: %q, %v; want %q", test.command, got, err, test.want)
		}
		if err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s: error %q does not name %q", test.command, err, test.wrong)
		}
	}
}

func TestCommandsThatCannotBeRight(t *testing.T) {
	for _, test := range []struct {
		command string
		kind    settings.Target
		want    []string
	}{
		{"httpd -f /live/current/a", "", []string{`"httpd"`, "haproxy", "nginx", "REMORA_TARGET"}},
		{"docker-entrypoint.sh httpd /live/current/a", "", []string{"docker-entrypoint.sh", "REMORA_TARGET"}},
		{"haproxy -f /etc/haproxy.cfg", "", []string{"REMORA_LIVE", live}},
		{"haproxy -f /live/current-old/haproxy.cfg", "", []string{"REMORA_LIVE", live}},
		{"nginx", "", []string{"REMORA_LIVE", live}},
		{"haproxy -D -f /live/current/a.cfg", "", []string{"-D"}},
		{"/start.sh", settings.TargetNginx, []string{"REMORA_LIVE"}},
	} {
		_, err := ParseCommand(strings.Fields(test.command), test.kind, live)
		if err == nil {
			t.Errorf("%s: was accepted", test.command)
			continue
		}
		for _, word := range test.want {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: error %q does not name %s", test.command, err, word)
			}
		}
	}
}

func TestKindOfACommand(t *testing.T) {
	for _, test := range []struct {
		command  string
		override settings.Target
		want     settings.Target
	}{
		{"haproxy -f /live/current/a", "", settings.TargetHAProxy},
		{"/usr/sbin/nginx -c /live/current/a", "", settings.TargetNginx},
		{"/start.sh /live/current/a", settings.TargetHAProxy, settings.TargetHAProxy},
		{"nginx -c /live/current/a", settings.TargetHAProxy, settings.TargetHAProxy},
	} {
		command, err := ParseCommand(strings.Fields(test.command), test.override, live)
		if err != nil || command.Kind != test.want {
			t.Errorf("%s: %q, %v; want %q", test.command, command.Kind, err, test.want)
		}
	}
}

func mustParse(tb testing.TB, command string) Command {
	tb.Helper()
	c, err := ParseCommand(strings.Fields(command), "", live)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}
