package boltstore

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"time"
)

// panicError is a panic of bbolt's.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("%v (%v)", ErrDamaged, e.value) }

func (e *panicError) Unwrap() error { return ErrDamaged }

// catch turns a panic, and a fault of the memory that the file is mapped to,
// into an error. bbolt trusts its file: on a damaged one it panics, or reads
// memory that is not there.
func catch(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value}
		}
	}()
	return fn()
}

// lock waits for the lock of a file, shared or exclusive, for lockTimeout. Errors:
// those of tryLock.
func lock(file *os.File, how int) error {
	for began := time.Now(); ; time.Sleep(lockRetry) {
		err := tryLock(file, how)
		if !errors.Is(err, ErrInUse) || time.Since(began) > lockTimeout {
			return err
		}
	}
}

// tryLock locks a file as bbolt does. Errors: ErrInUse, or that of the operating
// system.
func tryLock(file *os.File, how int) error {
	err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrInUse
	}
	return err
}

// letGo closes a file that bbolt has left mapped into memory. The mapping would
// keep the lock alive, so it is released first. A file that bbolt has closed
// itself is fine, too.
func letGo(file *os.File) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return ignoreClosed(err)
	}
	var unlockErr error
	err = conn.Control(func(fd uintptr) { unlockErr = syscall.Flock(int(fd), syscall.LOCK_UN) })
	return ignoreClosed(errors.Join(err, unlockErr, file.Close()))
}

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
