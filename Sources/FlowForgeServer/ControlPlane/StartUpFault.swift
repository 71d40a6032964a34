internal import FlowForgeProtocol
internal import Foundation

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Why the control plane does not start: one line that says what to do.
public enum StartUpFault: Error, CustomStringConvertible {
    /// The configuration file, or what it points at, is not usable.
    case configuration(String)
    /// The port cannot be listened on; `key` is the configuration's.
    case listen(key: String, address: ListenAddress, code: Int32)

    public var description: String {
        switch self {
        case .configuration(let what): what
        case .listen(let key, let address, EADDRINUSE):
            "port in use: \(address) (\(key)); stop the program that listens there, or change \(key) in the configuration"
        case .listen(let key, let address, EACCES):
            "not allowed to listen on \(address) (\(key)); choose a port above 1023, or grant CAP_NET_BIND_SERVICE"
        case .listen(let key, let address, let code):
            "cannot listen on \(address) (\(key)): \(String(cString: strerror(code))); change \(key) in the configuration"
        }
    }
}
