"""Send requests to DynamoDB and interpret their outcomes; nothing here knows events."""
