package embedded

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// The journal is one file of frames: length and CRC-32C of the payload, 4 bytes each, little
// endian, then the payload, whose first byte is one of the kinds below.
const (
	journalName   = "kinesis.log"
	journalHeader = 8
	// maxJournalFrame is more than the largest frame: a record, or the state of a stream with
	// maxShardCount shards. A longer one is damage.
	maxJournalFrame = 64 << 20
	// journalSlack is how far the file may grow beyond twice the kept bytes before it is rewritten.
	journalSlack = 16 << 20
)

const (
	stateFrame  = 'S' // JSON of a streamState: the stream is like this from here on
	forgetFrame = 'D' // name of a stream that is gone
	recordFrame = 'R' // an acknowledged record
	keptFrame   = 'K' // the same, copied when the file was rewritten: Puts counts it already
)

// journal is the append-only log. All methods of a nil journal do nothing.
// A frame is in the file, not yet on the disk, when a method returns: it outlives the
// process, not the machine.
type journal struct {
	mu     sync.Mutex
	path   string
	file   *os.File
	size   int64
	frame  []byte
	broken error // why nothing can be appended any more
}

// state logs what a stream is like now.
func (j *journal) state(s streamState) error {
	if j == nil {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encoding the state of stream %s: %w", s.Name, err)
	}
	return j.append(func(frame []byte) []byte { return append(append(frame, stateFrame), text...) })
}

// forget logs that a stream is gone.
func (j *journal) forget(name string) error {
	if j == nil {
		return nil
	}
	return j.append(func(frame []byte) []byte { return append(append(frame, forgetFrame), name...) })
}

// record logs a record that gets the index index.
func (j *journal) record(stream string, shard int, index uint64, r record) error {
	if j == nil {
		return nil
	}
	return j.append(func(frame []byte) []byte { return appendRecordFrame(frame, recordFrame, stream, shard, index, r) })
}

func appendRecordFrame(frame []byte, kind byte, stream string, shard int, index uint64, r record) []byte {
	frame = append(frame, kind)
	frame = appendText(frame, stream)
	frame = binary.AppendUvarint(frame, uint64(shard))
	frame = binary.AppendUvarint(frame, index)
	frame = binary.AppendVarint(frame, r.arrived)
	frame = appendText(frame, r.key)
	return append(frame, r.data...)
}

func appendText(out []byte, text string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(text))), text...)
}

// append writes one frame. When that fails the file is cut back to what it was; when that
// fails too, nothing is taken any more.
func (j *journal) append(fill func([]byte) []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return j.broken
	}
	j.frame = sealFrame(fill(append(j.frame[:0], make([]byte, journalHeader)...)))
	if _, err := j.file.Write(j.frame); err != nil {
		err = fmt.Errorf("appending to %s: %w", j.path, err)
		if cut := j.file.Truncate(j.size); cut != nil {
			j.broken = errors.Join(err, cut)
		}
		return err
	}
	j.size += int64(len(j.frame))
	if cap(j.frame) > keptKinesisBuffer {
		j.frame = nil
	}
	return nil
}

// sealFrame fills in the header that frame begins with.
func sealFrame(frame []byte) []byte {
	payload := frame[journalHeader:]
	binary.LittleEndian.PutUint32(frame, uint32(len(payload)))
	binary.LittleEndian.PutUint32(frame[4:], crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)))
	return frame
}

func (j *journal) length() int64 {
	if j == nil {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken == nil {
		j.broken = fmt.Errorf("appending to %s: %w", j.path, os.ErrClosed)
	}
	return j.file.Close()
}

// Replay reads the log in cfg.LogDir, made if it is not there, and goes on writing it. It
// comes once, before the first call. A damaged end, as a crash leaves it, is cut off and
// logged as a warning. Without LogDir it does nothing.
func (k *Kinesis) Replay() error {
	if k.cfg.LogDir == "" {
		return nil
	}
	if err := os.MkdirAll(k.cfg.LogDir, 0o750); err != nil {
		return fmt.Errorf("making the log directory: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	path := filepath.Join(k.cfg.LogDir, journalName)
	if err := k.replayFile(path); err != nil {
		return fmt.Errorf("replaying %s: %w", path, err)
	}
	k.trim()
	k.journal = &journal{path: path}
	if err := k.rewrite(); err != nil {
		return err
	}
	k.replayed = true
	k.log.Info("kinesis log replayed", "path", path, "streams", len(k.streams), "bytes", k.bytes.Load())
	return nil
}

func (k *Kinesis) replayFile(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 1<<20)
	for at := int64(0); ; {
		payload, err := readFrame(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, errDamaged) {
			k.log.Warn("kinesis log is damaged: what follows is dropped", "path", path, "offset", at)
			return nil
		}
		if err != nil {
			return err
		}
		if err := k.replayFrame(payload); err != nil {
			return fmt.Errorf("at byte %d: %w", at, err)
		}
		at += int64(journalHeader + len(payload))
	}
}

var errDamaged = errors.New("damaged frame")

// readFrame returns the next payload, io.EOF at the end, errDamaged for a torn or altered frame.
func readFrame(in *bufio.Reader) ([]byte, error) {
	var header [journalHeader]byte
	if _, err := io.ReadFull(in, header[:]); err != nil {
		return nil, torn(err)
	}
	size := binary.LittleEndian.Uint32(header[:])
	if size == 0 || size > maxJournalFrame {
		return nil, errDamaged
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(in, payload); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errDamaged
		}
		return nil, torn(err)
	}
	if crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(header[4:]) {
		return nil, errDamaged
	}
	return payload, nil
}

func torn(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errDamaged
	}
	return err
}

func (k *Kinesis) replayFrame(payload []byte) error {
	switch payload[0] {
	case stateFrame:
		return k.replayState(payload[1:])
	case forgetFrame:
		delete(k.streams, string(payload[1:]))
		return nil
	case recordFrame, keptFrame:
		return k.replayRecord(payload[1:], payload[0] == recordFrame)
	default:
		return fmt.Errorf("frame of unknown kind %q", payload[0])
	}
}

func (k *Kinesis) replayState(text []byte) error {
	var state streamState
	if err := json.Unmarshal(text, &state); err != nil {
		return fmt.Errorf("decoding a stream's state: %w", err)
	}
	s := k.streams[state.Name]
	if s == nil || s.Created != state.Created {
		if s != nil {
			k.bytes.Add(-s.clear())
		}
		k.streams[state.Name] = newStream(state)
		return nil
	}
	k.bytes.Add(-s.restore(state))
	if state.Status == deleting {
		k.bytes.Add(-s.clear())
	}
	return nil
}

func (k *Kinesis) replayRecord(in []byte, count bool) error {
	rd := frameReader{rest: in}
	name := rd.text()
	shard, index, arrived := rd.uvarint(), rd.uvarint(), rd.varint()
	r := record{key: rd.text(), data: rd.rest, arrived: arrived}
	if rd.failed {
		return errors.New("record frame is cut short")
	}
	s := k.streams[name]
	if s == nil || s.shard(int(shard)) == nil {
		return fmt.Errorf("record of unknown stream %q, shard %d", name, shard)
	}
	sh := s.shard(int(shard))
	if len(sh.kept()) == 0 {
		sh.First, sh.Next = index, index
	}
	if index != sh.Next {
		return fmt.Errorf("record %d of stream %q, shard %d: want %d", index, name, shard, sh.Next)
	}
	sh.push(r)
	k.bytes.Add(r.size())
	if count {
		s.puts.Add(1)
	}
	return nil
}

type frameReader struct {
	rest   []byte
	failed bool
}

func (f *frameReader) uvarint() uint64 {
	n, size := binary.Uvarint(f.rest)
	f.step(size)
	return n
}

func (f *frameReader) varint() int64 {
	n, size := binary.Varint(f.rest)
	f.step(size)
	return n
}

func (f *frameReader) text() string {
	n := f.uvarint()
	if n > uint64(len(f.rest)) {
		f.failed = true
		return ""
	}
	text := string(f.rest[:n])
	f.rest = f.rest[n:]
	return text
}

func (f *frameReader) step(size int) {
	if size <= 0 {
		f.failed = true
		f.rest = nil
		return
	}
	f.rest = f.rest[size:]
}

// rewrite replaces the log by one that holds only what is kept. The caller holds k.mu for
// writing, so nothing changes meanwhile.
func (k *Kinesis) rewrite() error {
	j := k.journal
	fresh := j.path + ".new"
	file, err := os.OpenFile(fresh, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("rewriting the log: %w", err)
	}
	size, err := k.writeAll(file)
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = os.Rename(fresh, j.path)
	}
	if err != nil {
		_ = file.Close() // the error before it says more
		return fmt.Errorf("rewriting the log: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	old := j.file
	j.file, j.size, j.broken = file, size, nil
	if old != nil {
		return old.Close()
	}
	return nil
}

func (k *Kinesis) writeAll(file io.Writer) (int64, error) {
	out := bufio.NewWriterSize(file, 1<<20)
	size := int64(0)
	var frame []byte
	write := func(fill func([]byte) []byte) {
		frame = sealFrame(fill(append(frame[:0], make([]byte, journalHeader)...)))
		size += int64(len(frame))
		_, _ = out.Write(frame) // Flush repeats the error
	}
	for _, s := range k.streams {
		if s.gone {
			continue
		}
		text, err := json.Marshal(s.snapshot())
		if err != nil {
			return 0, fmt.Errorf("encoding the state of stream %s: %w", s.Name, err)
		}
		write(func(frame []byte) []byte { return append(append(frame, stateFrame), text...) })
		for _, sh := range s.shards {
			for i, r := range sh.kept() {
				write(func(frame []byte) []byte {
					return appendRecordFrame(frame, keptFrame, s.Name, sh.Index, sh.First+uint64(i), r)
				})
			}
		}
	}
	return size, out.Flush()
}

// rewriteLarge rewrites a log that is much larger than what is kept.
func (k *Kinesis) rewriteLarge() {
	if k.journal.length() < 2*k.bytes.Load()+journalSlack {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.journal.length() < 2*k.bytes.Load()+journalSlack {
		return // another call was faster
	}
	if err := k.rewrite(); err != nil {
		k.log.Error("kinesis log not rewritten", "err", err)
	}
}
