package dev.icefield.catalog;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonMappingException;
import java.io.IOException;
import java.util.Map;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.rest.RESTUtil;

/**
 * One request, read.
 *
 * @param path values of the path's variables, still percent-encoded
 * @param query decoded parameters
 * @param ifNoneMatch the header, or null
 * @param body its bytes
 */
record Call(Map<String, String> path, Map<String, String> query, String ifNoneMatch, byte[] body) {
  // Between the levels of a namespace, as the protocol has it: the unit separator.
  static final String SEPARATOR = "%1F";

  /** An answer; a null body is none. */
  record Reply(int status, byte[] body, String etag) {
    static final Reply NO_CONTENT = new Reply(204, null, null);

    static Reply json(Object value) {
      return new Reply(200, Json.bytes(value), null);
    }
  }

  Namespace namespace() {
    return Locations.checkNamespace(RESTUtil.decodeNamespace(path.get("namespace"), SEPARATOR));
  }

  TableIdentifier identifier(String variable) {
    return Locations.checkName(
        TableIdentifier.of(namespace(), RESTUtil.decodeString(path.get(variable))));
  }

  /**
   * @throws IllegalArgumentException the body is no such request.
   */
  <T> T body(Class<T> type) {
    try {
      T value = Json.MAPPER.readValue(body, type);
      if (value == null) {
        throw new IllegalArgumentException("The request has no body");
      }
      return value;
    } catch (JsonProcessingException failure) {
      Throwable cause =
          failure instanceof JsonMappingException && failure.getCause() != null
              ? failure.getCause()
              : failure;
      String reason =
          cause instanceof JsonProcessingException json
              ? json.getOriginalMessage()
              : cause.getMessage();
      throw new IllegalArgumentException("The request's body cannot be read: " + reason, failure);
    } catch (IOException failure) {
      throw new IllegalArgumentException("The request's body cannot be read", failure);
    }
  }
}
