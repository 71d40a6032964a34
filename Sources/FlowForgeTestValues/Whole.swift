public import Foundation

/// A body in one piece.
public struct Whole: AsyncSequence, Sendable {
    private let bytes: Data
    public init(_ bytes: Data) { self.bytes = bytes }
    public func makeAsyncIterator() -> Iterator { Iterator(rest: bytes) }

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate var rest: Data?
        public mutating func next() async -> Data? {
            defer { rest = nil }
            return rest
        }
    }
}
