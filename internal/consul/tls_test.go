package consul

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"remora/internal/consultest"
	"remora/internal/service"
)

func TestCertificateIsVerified(t *testing.T) {
	fake := consultest.New(t)
	secure := httptest.NewTLSServer(fake)
	defer secure.Close()
	ca := func(block []byte) string {
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block})
		return mustWrite(t, filepath.Join(t.TempDir(), "ca.pem"), string(text))
	}
	right := ca(secure.Certificate().Raw)
	for _, tc := range []struct {
		name string
		env  map[string]string
		want string // of the error
	}{
		{"no CA", nil, "certificate"},
		{"right CA", map[string]string{"CONSUL_CACERT": right}, ""},
		{"wrong CA", map[string]string{"CONSUL_CACERT": ca(mustOtherCA(t))}, "certificate signed by unknown authority"},
		{"wrong name", map[string]string{"CONSUL_CACERT": right, "CONSUL_TLS_SERVER_NAME": "elsewhere.test"}, "elsewhere.test"},
		{"verification off", map[string]string{"CONSUL_HTTP_SSL_VERIFY": "false"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for name, value := range tc.env {
				t.Setenv(name, value)
			}
			before := len(fake.Writes())
			err := mustAgent(t, secure.URL).Register(t.Context(), service.Instance{ID: "web-1", Name: "web", Address: "192.0.2.1", Port: 80})
			if (err != nil) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if err != nil && len(fake.Writes()) != before {
				t.Error("something was sent to a server that could not prove itself")
			}
		})
	}
}

// mustOtherCA makes a certificate that vouches for nobody here.
func mustOtherCA(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	block, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return block
}
