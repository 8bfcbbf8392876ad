// IntrusivePtr: shared ownership for objects of which there are many. The count is in the object, so that a
// pointer takes eight bytes and the object four more; std::shared_ptr takes twice that and a block beside it.
// For one thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace bakusoku {

/// What an IntrusivePtr can own. A copy is an object of its own, which nobody holds yet.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) noexcept {}
  RefCounted& operator=(const RefCounted&) noexcept { return *this; }
  /// How many pointers own it.
  [[nodiscard]] uint32_t holders() const { return holders_; }

 protected:
  ~RefCounted() = default;

 private:
  template <typename T>
  friend class IntrusivePtr;
  mutable uint32_t holders_ = 0;
};

template <typename T>
class IntrusivePtr {
 public:
  IntrusivePtr() = default;
  IntrusivePtr(std::nullptr_t) noexcept {}
  explicit IntrusivePtr(T* object) noexcept : object_(object) { hold(); }
  IntrusivePtr(const IntrusivePtr& other) noexcept : object_(other.object_) { hold(); }
  IntrusivePtr(IntrusivePtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  IntrusivePtr& operator=(IntrusivePtr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~IntrusivePtr() {
    if (object_ != nullptr && --object_->holders_ == 0) delete object_;
  }

  [[nodiscard]] T* get() const { return object_; }
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  /// Owns nothing any more.
  void reset() { *this = IntrusivePtr(); }

  /// Whether both own the same object, or none.
  friend bool operator==(const IntrusivePtr& a, const IntrusivePtr& b) { return a.object_ == b.object_; }

 private:
  void hold() const {
    if (object_ != nullptr) ++object_->holders_;
  }

  T* object_ = nullptr;
};

}  // namespace bakusoku
