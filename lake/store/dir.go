package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// tempDir holds the files that are not yet objects. It lies beside the bucket, not in it, so
// that what a killed process leaves behind is never seen among the objects.
const tempDir = ".headrace-tmp"

// tempAge is how old an unfinished file must be before a later start removes it.
const tempAge = 24 * time.Hour

// Dir is a Store in a directory: the object of key a/b is the file a/b below it.
type Dir struct {
	root string // the bucket
	temp string
	made sync.Map // directories known to exist
}

var _ Store = (*Dir)(nil)

// OpenDir opens the bucket as directory base/bucket, and makes it when it is missing.
func OpenDir(base, bucket string) (*Dir, error) {
	if !filepath.IsLocal(bucket) || strings.ContainsRune(bucket, filepath.Separator) {
		return nil, fmt.Errorf("bucket %q: a directory store needs a plain name", bucket)
	}
	d := &Dir{root: filepath.Join(base, bucket), temp: filepath.Join(base, tempDir)}
	for _, dir := range []string{d.root, d.temp} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, fmt.Errorf("opening bucket %s: %w", bucket, err)
		}
	}
	d.sweep()
	return d, nil
}

// sweep removes unfinished files of processes long gone. What cannot be removed stays.
func (d *Dir) sweep() {
	entries, err := os.ReadDir(d.temp)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > tempAge {
			_ = os.Remove(filepath.Join(d.temp, entry.Name()))
		}
	}
}

// Put writes a temporary file, makes it durable, and gives it its name.
func (d *Dir) Put(ctx context.Context, key string, body []byte) error {
	return d.put(ctx, key, body, os.Rename)
}

// PutNew gives the file its name by a hard link, which never replaces another.
func (d *Dir) PutNew(ctx context.Context, key string, body []byte) error {
	return d.put(ctx, key, body, func(temp, path string) error {
		err := os.Link(temp, path)
		if errors.Is(err, fs.ErrExist) {
			return ErrExists
		}
		if err != nil {
			return err
		}
		_ = os.Remove(temp) // the object has its name: what stays is swept later
		return nil
	})
}

func (d *Dir) put(ctx context.Context, key string, body []byte, name func(temp, path string) error) error {
	if err := ctx.Err(); err != nil {
		return &Error{"putting", key, err}
	}
	f, err := d.create()
	if err != nil {
		return &Error{"putting", key, err}
	}
	if _, err = f.Write(body); err == nil {
		err = d.publish(f, key, name)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return &Error{"putting", key, err}
	}
	return nil
}

func (d *Dir) create() (*os.File, error) {
	return os.OpenFile(filepath.Join(d.temp, rand.Text()), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
}

// publish makes f durable under key and closes it. name moves the temporary file to its path.
func (d *Dir) publish(f *os.File, key string, name func(temp, path string) error) error {
	path, err := d.path(key)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := d.makeDir(dir); err != nil {
		return err
	}
	if err := name(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// makeDir makes dir and its parents, and their names durable.
func (d *Dir) makeDir(dir string) error {
	if _, ok := d.made.Load(dir); ok {
		return nil
	}
	if dir != d.root && len(dir) > len(d.root) {
		if err := d.makeDir(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	d.made.Store(dir, struct{}{})
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// path refuses keys that would leave the bucket ("../x") or name its directory.
func (d *Dir) path(key string) (string, error) {
	local := filepath.FromSlash(strings.TrimLeft(key, "/"))
	if !filepath.IsLocal(local) || filepath.Clean(local) == "." || strings.HasSuffix(key, "/") {
		return "", errBadKey
	}
	return filepath.Join(d.root, local), nil
}

// Create begins a file that grows part by part.
func (d *Dir) Create(ctx context.Context, key string) (Upload, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{"creating", key, err}
	}
	f, err := d.create()
	if err != nil {
		return nil, &Error{"creating", key, err}
	}
	return &dirUpload{dir: d, key: key, file: f}, nil
}

// dirUpload writes each part at its place. The place follows from the size of part 1, so parts
// that come before it wait in memory.
type dirUpload struct {
	dir  *Dir
	key  string
	file *os.File

	mu       sync.Mutex
	partSize int64            // size of part 1; 0 until it is known
	waiting  map[int32][]byte // parts that came before part 1
}

func (u *dirUpload) Part(ctx context.Context, number int32, data []byte) error {
	if err := ctx.Err(); err != nil {
		return &Error{"writing a part of", u.key, err}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if number == 1 {
		u.partSize = int64(len(data))
	}
	if u.partSize == 0 {
		if u.waiting == nil {
			u.waiting = map[int32][]byte{}
		}
		u.waiting[number] = append([]byte(nil), data...)
		return nil
	}
	if err := u.write(number, data); err != nil {
		return err
	}
	for n, early := range u.waiting {
		if err := u.write(n, early); err != nil {
			return err
		}
		delete(u.waiting, n)
	}
	return nil
}

func (u *dirUpload) write(number int32, data []byte) error {
	if _, err := u.file.WriteAt(data, int64(number-1)*u.partSize); err != nil {
		return &Error{"writing a part of", u.key, err}
	}
	return nil
}

func (u *dirUpload) Complete(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return &Error{"completing", u.key, err}
	}
	if err := u.dir.publish(u.file, u.key, os.Rename); err != nil {
		return &Error{"completing", u.key, err}
	}
	return nil
}

func (u *dirUpload) Abort(context.Context) error {
	_ = u.file.Close() // closed already when a publish failed half-way
	if err := os.Remove(u.file.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &Error{"aborting", u.key, err}
	}
	return nil
}

// Get opens the file of that key.
func (d *Dir) Get(_ context.Context, key string) (io.ReadCloser, error) {
	path, err := d.path(key)
	if err != nil {
		return nil, &Error{"getting", key, err}
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, &Error{"getting", key, err}
	}
	return f, nil
}

// List walks the directory. Keys rise as S3 sorts them, byte by byte over the whole key.
func (d *Dir) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		var keys []Object
		// All keys of the prefix lie below the directory that it names in full.
		from := filepath.Join(d.root, filepath.FromSlash(path.Dir("/"+prefix+"x")))
		err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // gone since, or never there
			}
			if err != nil || entry.IsDir() {
				return errors.Join(err, ctx.Err())
			}
			rel, err := filepath.Rel(d.root, path)
			if err != nil {
				return err
			}
			key := filepath.ToSlash(rel)
			if !strings.HasPrefix(key, prefix) {
				return nil
			}
			info, err := entry.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil // gone since
			}
			if err != nil {
				return err
			}
			keys = append(keys, Object{Key: key, Size: info.Size(), Modified: info.ModTime()})
			return nil
		})
		if err != nil {
			yield(Object{}, &Error{"listing", prefix, err})
			return
		}
		slices.SortFunc(keys, func(a, b Object) int { return strings.Compare(a.Key, b.Key) })
		for _, object := range keys {
			if !yield(object, nil) {
				return
			}
		}
	}
}

// Delete removes the file of that key. Its directory stays.
func (d *Dir) Delete(ctx context.Context, key string) error {
	path, err := d.path(key)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &Error{"deleting", key, err}
	}
	return nil
}
