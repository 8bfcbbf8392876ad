// Asio's TLS implementation, compiled once (ASIO_SEPARATE_COMPILATION).
#include <asio/ssl/impl/src.hpp>
