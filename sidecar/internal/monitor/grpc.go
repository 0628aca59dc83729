package monitor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"remora/internal/service"
)

// grpcChecker asks grpc.health.v1.Health/Check. One unary call is a POST over
// HTTP/2 whose bodies are a message each, and the result is in a trailer
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md); the gRPC library
// would be half as big as the sidecar.
type grpcChecker struct {
	url     string
	service string
	client  *http.Client
}

func newGRPCChecker(i service.Instance, c service.Check) grpcChecker {
	t := transport(c)
	t.Protocols = new(http.Protocols)
	u := url.URL{Scheme: "http", Host: i.HostPort(), Path: "/grpc.health.v1.Health/Check"}
	if c.UseTLS {
		u.Scheme = "https"
		t.Protocols.SetHTTP2(true)
	} else {
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	return grpcChecker{url: u.String(), service: c.Service, client: &http.Client{Transport: t}}
}

// Check passes if the app says SERVING.
func (g grpcChecker) Check(ctx context.Context) (service.Status, string) {
	asked := "gRPC health of the server"
	if g.service != "" {
		asked = fmt.Sprintf("gRPC health of %q", g.service)
	}
	status, err := g.ask(ctx)
	if err != nil {
		return service.Critical, fmt.Sprintf("%s: %v", asked, err)
	}
	if status != serving {
		return service.Critical, asked + ": " + healthName(status)
	}
	return service.Passing, asked + ": " + healthName(status)
}

const serving = 1

// healthName is the word for a status (grpc.health.v1, HealthCheckResponse).
func healthName(status uint64) string {
	if names := []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}; status < uint64(len(names)) {
		return names[status]
	}
	return fmt.Sprintf("status %d", status)
}

func (g grpcChecker) ask(ctx context.Context) (uint64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, strings.NewReader(frame(healthRequest(g.service))))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	request.Header.Set("User-Agent", "remora-sidecar")
	response, err := g.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, outputSize))
	if err != nil {
		return 0, err
	}
	if err := grpcError(response); err != nil {
		return 0, err
	}
	return healthStatus(body)
}

// grpcError reads the call's result, which is in the header when there is no body.
func grpcError(response *http.Response) error {
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "application/grpc") {
		return fmt.Errorf("the app answers %s, content type %q, and not gRPC", response.Status, kind)
	}
	result := response.Trailer
	if result.Get("Grpc-Status") == "" {
		result = response.Header
	}
	code, message := result.Get("Grpc-Status"), result.Get("Grpc-Message")
	if plain, err := url.PathUnescape(message); err == nil {
		message = plain
	}
	switch code {
	case "0":
		return nil
	case "":
		return errors.New("the answer ends without a result")
	case "5":
		return fmt.Errorf("the app does not know this service: %s", message)
	case "12":
		return fmt.Errorf("the app does not have grpc.health.v1: %s", message)
	}
	return fmt.Errorf("gRPC status %s: %s", code, message)
}

// frame puts the prefix of an uncompressed message before it.
func frame(message []byte) string {
	prefix := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return string(append(prefix, message...))
}

const prefixSize = 5

// Tags of the protocol buffers' field 1 (number << 3 | wire type).
const (
	serviceTag = 1<<3 | 2 // HealthCheckRequest.service, a string
	statusTag  = 1 << 3   // HealthCheckResponse.status, a varint
)

func healthRequest(name string) []byte {
	if name == "" {
		return nil
	}
	message := binary.AppendUvarint([]byte{serviceTag}, uint64(len(name)))
	return append(message, name...)
}

// healthStatus reads the status from a response of one frame. A status that is
// not there is 0.
func healthStatus(body []byte) (uint64, error) {
	if len(body) < prefixSize || body[0] != 0 || uint64(binary.BigEndian.Uint32(body[1:])) != uint64(len(body)-prefixSize) {
		return 0, errors.New("the answer is not one uncompressed message")
	}
	message := body[prefixSize:]
	if len(message) == 0 {
		return 0, nil
	}
	status, n := binary.Uvarint(message[1:])
	if message[0] != statusTag || n <= 0 {
		return 0, errors.New("the answer is not a HealthCheckResponse")
	}
	return status, nil
}
