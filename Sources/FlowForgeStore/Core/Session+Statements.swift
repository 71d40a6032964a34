internal import GRDB

/// Queries on prepared statements that the connection keeps. For fixed SQL text only: text with
/// values in it would fill the cache.
extension Session {
    func rows(_ sql: String, _ arguments: StatementArguments = []) throws -> [Row] {
        try Row.fetchAll(db.cachedStatement(sql: sql), arguments: arguments)
    }

    func row(_ sql: String, _ arguments: StatementArguments = []) throws -> Row? {
        try Row.fetchOne(db.cachedStatement(sql: sql), arguments: arguments)
    }

    /// Returns how many rows were changed.
    @discardableResult
    func change(_ sql: String, _ arguments: StatementArguments = []) throws -> Int {
        try db.cachedStatement(sql: sql).execute(arguments: arguments)
        return db.changesCount
    }
}

extension Row {
    /// A word of one of our enums. Text that is no such word means a damaged database.
    func word<Word: RawRepresentable<String>>(_ column: String) throws -> Word {
        try StoreError.word(self[column], in: column)
    }

    func json<Value: Decodable>(_ type: Value.Type, _ column: String) throws -> Value {
        try fromJSON(type, self[column])
    }

    /// A mapping or list, which is empty more often than not.
    func json<Value: Decodable & ExpressibleByDictionaryLiteral>(_ type: Value.Type, _ column: String) throws -> Value {
        let text: String = self[column]
        return text == "{}" ? [:] : try fromJSON(type, text)
    }

    func json<Value: Decodable & ExpressibleByArrayLiteral>(_ type: Value.Type, _ column: String) throws -> Value {
        let text: String = self[column]
        return text == "[]" ? [] : try fromJSON(type, text)
    }

    func optionalJSON<Value: Decodable>(_ type: Value.Type, _ column: String) throws -> Value? {
        let text: String? = self[column]
        return try text.map { try fromJSON(type, $0) }
    }
}
