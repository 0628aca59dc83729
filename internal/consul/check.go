package consul

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"

	"github.com/hashicorp/consul/api"

	"remora/internal/service"
)

// ask says to the agent what it has to do about a check that it runs itself.
func ask(out *api.AgentServiceCheck, i service.Instance, c service.Check) {
	switch c.Kind {
	case service.TCP:
		out.TCP = i.HostPort()
	case service.HTTP, service.HTTPS:
		out.HTTP, out.Method, out.Body = i.URL(c), c.Method, c.Body
		for name, value := range c.Header {
			if out.Header == nil {
				out.Header = map[string][]string{}
			}
			out.Header[http.CanonicalHeaderKey(name)] = []string{value}
		}
	case service.GRPC:
		out.GRPC, out.GRPCUseTLS = grpcTarget(i, c), c.UseTLS
	case service.H2Ping:
		out.H2PING, out.H2PingUseTLS = i.HostPort(), c.UseTLS
	case service.Script:
		out.Args = i.Command(c)
	}
	out.TLSSkipVerify, out.TLSServerName = c.TLSSkipVerify, c.TLSServerName
	out.SuccessBeforePassing = c.SuccessBeforePassing
	out.FailuresBeforeWarning = c.FailuresBeforeWarning
	out.FailuresBeforeCritical = c.FailuresBeforeCritical
}

func grpcTarget(i service.Instance, c service.Check) string {
	if c.Service == "" {
		return i.HostPort()
	}
	return i.HostPort() + "/" + c.Service
}

// question is what a check asks, for people who look at it in Consul.
func question(i service.Instance, c service.Check) string {
	switch c.Kind {
	case service.HTTP, service.HTTPS:
		return c.Method + " " + i.URL(c)
	case service.GRPC:
		return grpcTarget(i, c)
	case service.Script:
		return strings.Join(i.Command(c), " ")
	case service.File:
		return c.Path
	case service.Docker:
		return "HEALTHCHECK"
	case service.Alias:
		return c.Service
	case service.TTL:
		return "of " + i.Name
	}
	return i.HostPort()
}

// hidden stands for the settings of a check that the agent does not tell of and
// that are not for everybody's eyes: another value is another registration.
func hidden(c service.Check) string {
	none := len(c.Header) == 0 && c.Body == "" && !c.UseTLS && !c.TLSSkipVerify && c.TLSServerName == "" &&
		c.SuccessBeforePassing == 0 && c.FailuresBeforeWarning == 0 && c.FailuresBeforeCritical == 0
	if none {
		return ""
	}
	hash := fnv.New32a()
	fmt.Fprintf(hash, "%q %q %v %v %q %d %d %d", c.Header, c.Body, c.UseTLS, c.TLSSkipVerify, c.TLSServerName,
		c.SuccessBeforePassing, c.FailuresBeforeWarning, c.FailuresBeforeCritical)
	return fmt.Sprintf(", settings %08x", hash.Sum32())
}
