internal import FlowForgeProtocol
internal import Foundation
internal import GRDB

/// A value that is one row of a query. Its columns are read in the order in which they are selected:
/// looking each up by its name, as GRDB's rows do, takes longer than most of our queries.
protocol StoredRow {
    /// What a query selects for it.
    static var columns: String { get }
    init(_ row: inout RowReader) throws
}

/// Hands out the columns of one row from left to right. What does not fit means a damaged database:
/// ``StoreError/corrupt(_:)``.
struct RowReader {
    private let statement: SQLiteStatement
    private let row: any StoredRow.Type
    private var column: CInt = 0

    fileprivate init(_ statement: SQLiteStatement, of row: any StoredRow.Type) { (self.statement, self.row) = (statement, row) }

    /// The one that was read last, in words.
    private var place: String { "\(column) of \(row)" }

    mutating func next<Value: StatementColumnConvertible>(_ type: Value.Type = Value.self) throws -> Value {
        defer { column += 1 }
        guard let value = Value.fromStatement(statement, atUncheckedIndex: column) else {
            throw StoreError.corrupt("column \(column + 1) of \(row) holds no \(type)")
        }
        return value
    }

    mutating func id<Entity>() throws -> ID<Entity> { try StoreError.id(next(), in: place) }

    mutating func optionalID<Entity>() throws -> ID<Entity>? {
        guard let text = try next(String?.self) else { return nil }
        return try StoreError.id(text, in: place)
    }

    /// From milliseconds.
    mutating func date() throws -> Date { Date(milliseconds: try next()) }

    mutating func optionalDate() throws -> Date? { try next(Int64?.self).map { Date(milliseconds: $0) } }

    /// A word of one of our enums.
    mutating func word<Word: RawRepresentable<String>>() throws -> Word { try StoreError.word(next(), in: place) }

    mutating func optionalWord<Word: RawRepresentable<String>>() throws -> Word? {
        guard let text = try next(String?.self) else { return nil }
        return try StoreError.word(text, in: place)
    }

    /// A mapping, which is empty more often than not.
    mutating func json<Key, Value>() throws -> [Key: Value] where Key: Decodable, Value: Decodable {
        let text: String = try next()
        return text == "{}" ? [:] : try fromJSON([Key: Value].self, text)
    }

    mutating func json<Element: Decodable>() throws -> [Element] {
        let text: String = try next()
        return text == "[]" ? [] : try fromJSON([Element].self, text)
    }

    mutating func optionalJSON<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value? {
        try next(String?.self).map { try fromJSON(type, $0) }
    }
}

/// GRDB reads rows of a single value without a look at their columns' names; this makes a whole row
/// such a value.
private struct WholeRow<Value: StoredRow>: DatabaseValueConvertible, StatementColumnConvertible {
    let result: Result<Value, any Error>

    init(sqliteStatement: SQLiteStatement, index: CInt) {
        var reader = RowReader(sqliteStatement, of: Value.self)
        result = Result { try Value(&reader) }
    }

    var databaseValue: DatabaseValue { .null }
    static func fromDatabaseValue(_: DatabaseValue) -> WholeRow? { nil }
}

/// For fixed SQL text only, as ``rows(_:_:)``.
extension Session {
    /// The first row; its first column must not be null.
    func first<Value: StoredRow>(_ type: Value.Type, _ sql: String, _ arguments: StatementArguments = []) throws -> Value? {
        try WholeRow<Value>.fetchOne(db.cachedStatement(sql: sql), arguments: arguments)?.result.get()
    }

    func all<Value: StoredRow>(_ type: Value.Type, _ sql: String, _ arguments: StatementArguments = []) throws -> [Value] {
        try WholeRow<Value>.fetchAll(db.cachedStatement(sql: sql), arguments: arguments).map { try $0.result.get() }
    }

    /// The only column of the first row.
    func value<Value: DatabaseValueConvertible & StatementColumnConvertible>(
        _ type: Value.Type, _ sql: String, _ arguments: StatementArguments = []
    ) throws -> Value? {
        try Value.fetchOne(db.cachedStatement(sql: sql), arguments: arguments)
    }

    func exists(_ sql: String, _ arguments: StatementArguments = []) throws -> Bool {
        try value(Int64.self, sql, arguments) != nil
    }
}

/// What a column holds, or ``corrupt(_:)``.
extension StoreError {
    static func word<Word: RawRepresentable<String>>(_ text: String, in column: @autoclosure () -> String) throws -> Word {
        guard let word = Word(rawValue: text) else { throw StoreError.corrupt("column \(column()) holds '\(text)'") }
        return word
    }

    static func id<Entity>(_ text: String, in column: @autoclosure () -> String) throws -> ID<Entity> {
        guard let id = ID<Entity>(text) else { throw StoreError.corrupt("column \(column()) holds '\(text)', which is no id") }
        return id
    }
}
