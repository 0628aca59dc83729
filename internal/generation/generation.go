// Package generation keeps sets of files that belong together: a set is written
// whole into a directory of its own, a generation, and becomes visible by the
// flip of one symlink. Readers see one generation or another, never a mixture
// and never half a file, also after a crash.
package generation

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// File is one file of a set.
type File struct {
	Data []byte
	Mode fs.FileMode // permission bits only
}

// Files is a set: slash-separated paths relative to its directory.
type Files map[string]File

// ID names a generation by the content of its files: equal sets have equal IDs.
type ID string

// idBytes of the hash are kept: 64 bits tell the few generations of a directory
// apart and stay readable in a log line.
const idBytes = 8

// ID computes the set's ID from names, permissions and content.
func (f Files) ID() ID {
	hash := sha256.New()
	field := func(b []byte) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(b)))
		hash.Write(size[:])
		hash.Write(b)
	}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		field([]byte(name))
		field([]byte(f[name].Mode.String()))
		field(f[name].Data)
	}
	return ID(hex.EncodeToString(hash.Sum(nil)[:idBytes]))
}

// Read reads the set in the directory dir, which may be a symlink; it is
// resolved first, so that a flip in the meantime changes nothing. Names that
// begin with a dot are not part of a set: that is where this package, editors
// and Kubernetes (..data) keep what is not meant for readers.
func Read(dir string) (Files, error) {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	files := Files{}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == root:
			return nil
		case strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil
		}
		return files.add(root, path)
	})
	return files, err
}

func (f Files) add(root, path string) error {
	info, err := os.Stat(path) // of what a symlink points to
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	f[filepath.ToSlash(name)] = File{Data: data, Mode: info.Mode().Perm()}
	return nil
}

// Store keeps generations in a directory, under .generations, and symlinks to
// some of them beside it. One process writes to a store; any number may read.
type Store struct {
	dir string
}

const generationsDir = ".generations"

// Open opens the store in dir, which must exist and be writable.
func Open(dir string) (*Store, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	s := &Store{dir: dir}
	all := filepath.Join(dir, generationsDir)
	err := os.Mkdir(all, 0o755)
	if err == nil {
		err = os.Chmod(all, 0o755) // past the umask: readers are other users
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	probe, err := os.MkdirTemp(all, ".probe-")
	if err != nil {
		return nil, err
	}
	return s, os.Remove(probe)
}

// Path is the directory of generation id.
func (s *Store) Path(id ID) string {
	return filepath.Join(s.dir, generationsDir, string(id))
}

// Put writes files as a generation, synced to disk, unless it is there already.
func (s *Store) Put(files Files) (ID, error) {
	id := files.ID()
	final := s.Path(id)
	if _, err := os.Stat(final); err == nil {
		return id, nil
	}
	parent := filepath.Dir(final)
	temp, err := os.MkdirTemp(parent, ".new-")
	if err != nil {
		return id, err
	}
	defer os.RemoveAll(temp) // nothing is left under this name after success
	if err := writeAll(temp, files); err != nil {
		return id, err
	}
	if err := os.Rename(temp, final); err != nil {
		return id, err
	}
	return id, syncDir(parent)
}

func writeAll(dir string, files Files) error {
	// MkdirTemp makes directories private; the target runs as another user.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	dirs := map[string]bool{dir: true}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !fs.ValidPath(name) {
			return fmt.Errorf("%q: is not a path inside the set", name)
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		for d := filepath.Dir(path); d != dir; d = filepath.Dir(d) {
			dirs[d] = true
		}
		if err := writeFile(path, files[name]); err != nil {
			return err
		}
	}
	for d := range dirs {
		if err := syncDir(d); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, file File) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(file.Data); err != nil {
		return err
	}
	if err := f.Chmod(file.Mode.Perm()); err != nil { // past the umask
		return err
	}
	return f.Sync()
}

// syncDir makes the names in a directory survive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Point makes the symlink name point to generation id, atomically.
func (s *Store) Point(name string, id ID) error {
	temp := filepath.Join(s.dir, generationsDir, ".link-"+name)
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Relative, because the directory is mounted elsewhere in other containers.
	if err := os.Symlink(filepath.Join(generationsDir, string(id)), temp); err != nil {
		return err
	}
	if err := os.Rename(temp, filepath.Join(s.dir, name)); err != nil {
		return err
	}
	return syncDir(s.dir)
}

// Pointed returns the generation that the symlink name points to; "" if there
// is no such symlink or what it points to is gone.
func (s *Store) Pointed(name string) (ID, error) {
	link, err := os.Readlink(filepath.Join(s.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if errors.Is(err, syscall.EINVAL) {
		return "", fmt.Errorf("%s: is not a symlink", filepath.Join(s.dir, name))
	}
	if err != nil {
		return "", err
	}
	id := ID(filepath.Base(link))
	if _, err := os.Stat(s.Path(id)); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return id, nil
}

// spare generations that nothing points to are kept, for readers that resolved
// a symlink just before it was flipped.
const spare = 2

// Prune removes generations that no symlink of the store points to, but for the
// newest few, and what a crash left half-written.
func (s *Store) Prune() error {
	pointed, err := s.allPointed()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(s.dir, generationsDir))
	if err != nil {
		return err
	}
	var doomed, loose []fs.FileInfo
	for _, entry := range entries {
		info, err := entry.Info()
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(entry.Name(), "."):
			doomed = append(doomed, info)
		case !pointed[entry.Name()]:
			loose = append(loose, info)
		}
	}
	slices.SortFunc(loose, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	doomed = append(doomed, loose[min(spare, len(loose)):]...)
	for _, info := range doomed {
		if err := os.RemoveAll(s.Path(ID(info.Name()))); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) allPointed() (map[string]bool, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	pointed := map[string]bool{}
	for _, entry := range entries {
		if entry.Type()&fs.ModeSymlink == 0 {
			continue
		}
		link, err := os.Readlink(filepath.Join(s.dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		pointed[filepath.Base(link)] = true
	}
	return pointed, nil
}
